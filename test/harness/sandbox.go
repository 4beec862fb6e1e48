package harness

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

// Endpoints are the addresses of a running installation and the credential of a merchant, as in
// sandbox.json.
type Endpoints struct {
	Gateway   string `json:"gateway"`
	Wallet    string `json:"wallet"`
	Control   string `json:"control"` // of the simulator
	Shop      string `json:"shop"`
	App       string `json:"app"`
	AppCode   string `json:"app_code"`
	ClientKey string `json:"client_key"`
}

// Act does at the simulator what the buyer of an opened trade does: pay, fail or cancel.
func (e Endpoints) Act(t testing.TB, trade, what string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		e.Control+"/trades/"+trade+"/"+what, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer any
	err = json.NewDecoder(res.Body).Decode(&answer)
	if res.StatusCode != http.StatusOK || err != nil {
		t.Fatalf("%s %s: %s %v %v", what, trade, res.Status, answer, err)
	}
}

// Sandbox is a running `sampan sandbox`.
type Sandbox struct {
	*Process
	Endpoints
	Dir string
}

// NewSandbox starts an empty sandbox on free ports.
func NewSandbox(t testing.TB, flags ...string) *Sandbox {
	t.Helper()
	return startSandbox(t, t.TempDir(), Endpoints{}, append([]string{"--fresh"}, flags...)...)
}

// Restart starts a killed sandbox with its data and on its ports.
func (s *Sandbox) Restart(t testing.TB) *Sandbox {
	t.Helper()
	return startSandbox(t, s.Dir, s.Endpoints)
}

func startSandbox(t testing.TB, dir string, at Endpoints, flags ...string) *Sandbox {
	t.Helper()
	ready := filepath.Join(dir, "sandbox.json")
	if err := os.Remove(ready); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	args := []string{"sandbox", "--data", dir}
	for flag, base := range map[string]string{
		"--gateway": at.Gateway, "--wallet": at.Wallet,
		"--control": at.Control, "--shop": at.Shop, "--app": at.App,
	} {
		address := "127.0.0.1:0"
		if u, err := url.Parse(base); err == nil && base != "" {
			address = u.Host
		}
		args = append(args, flag, address)
	}
	s := &Sandbox{Process: Start(t, append(args, flags...)...), Dir: dir}
	Eventually(t, "sandbox.json", func() bool {
		if s.Ended() {
			t.Fatalf("the sandbox has exited: %v", s.ProcessState)
		}
		data, err := os.ReadFile(ready)
		if err != nil {
			return false
		}
		if err := json.Unmarshal(data, &s.Endpoints); err != nil {
			t.Fatalf("sandbox.json was not written atomically: %v", err)
		}
		return true
	})
	s.Secret = s.ClientKey
	return s
}
