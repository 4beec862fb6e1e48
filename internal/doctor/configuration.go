package doctor

import (
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sampanpay/sampan/internal/config"
	"github.com/sampanpay/sampan/internal/outbound"
)

// configuration reads the file, and reports whether the checks can go on.
func (d *checkup) configuration() bool {
	var err error
	if d.Config, err = config.Read(d.File); err != nil {
		d.wrong("configuration", err.Error(),
			"every key is explained in sampan.example.toml; then run doctor again")
		return false
	}
	d.good("configuration", "%s can be read", d.File)
	d.configurationFile(d.File)
	for _, name := range []string{
		"SAMPAN_LISTEN", "SAMPAN_BASE_URL", "SAMPAN_DATABASE", "SAMPAN_MASTER_KEY",
	} {
		if os.Getenv(name) != "" {
			d.warn("environment", name+" wins over the file", "")
		}
	}
	if !slices.Contains([]string{"", "json", "text"}, d.LogFormat) {
		d.warn("log_format", fmt.Sprintf("%q is taken for json", d.LogFormat), `say "json" or "text"`)
	}
	for _, p := range d.Proxies {
		if p.Bits() == 0 {
			d.warn("trusted_proxies",
				p.String()+" lets everybody choose the address that is counted against them",
				"name your proxies only")
		}
	}
	d.good("zone", "in %s it is %s", d.Zone, d.now().In(d.Location).Format(time.DateTime))
	d.baseURL()
	return true
}

// configurationFile checks who else can change the file, since it names the key and
// what merchants may reach, and who else can read a password in it.
func (d *checkup) configurationFile(path string) {
	info, err := os.Stat(path)
	if err != nil {
		return // it has just been read
	}
	mode := info.Mode().Perm()
	if mode&0o022 != 0 {
		d.warn("configuration", fmt.Sprintf("%s can be changed by %s (%v)", path, config.Writers(mode), mode),
			"chmod go-w "+path)
	}
	if u, err := url.Parse(d.Database); err == nil && u.User != nil && mode&0o044 != 0 {
		if _, secret := u.User.Password(); secret {
			readers := fmt.Sprintf("can be read by %s (%v)", config.Readers(mode), mode)
			d.warn("configuration", path+" holds the database's password, and "+readers, "chmod 600 "+path)
		}
	}
}

// baseURL checks how the address is written, and whether others can reach it.
func (d *checkup) baseURL() {
	const what = "base_url"
	u, err := url.Parse(d.BaseURL)
	switch {
	case d.BaseURL == "":
		d.wrong(what, "missing", "serve needs it: it is how buyers and wallets reach this deployment")
	case err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" ||
		strings.ContainsAny(d.BaseURL, "?&=#"):
		d.wrong(what, "is not an address such as https://pay.example.com",
			"write scheme, host and, if need be, a path; no query")
	case private(u.Hostname()):
		d.warn(what, d.BaseURL+" is an address of this machine or network: no phone and no wallet reaches it",
			"fit for a sandbox only")
	case u.Scheme == "http":
		d.warn(what, d.BaseURL+" is not https: orders and answers can be read and changed on the way",
			"put a proxy that speaks TLS in front")
	default:
		d.good(what, "%s", d.BaseURL)
	}
}

// private reports whether a host is an address of this machine or its network. It
// looks no name up.
func private(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" ||
		err == nil && (a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsUnspecified())
}

// masterKeyFile checks who can read the key and who can change it, as serve does.
func (d *checkup) masterKeyFile() {
	const what = "master key"
	if d.KeyFile.Info == nil {
		d.good(what, "comes from the environment")
		return
	}
	f := d.KeyFile.Problem(d.KeyReadable)
	mode := d.KeyFile.Info.Mode().Perm()
	switch {
	case f != (config.KeyProblem{}):
		d.wrong(what, f.Finding, f.Advice)
	case mode&0o044 != 0:
		d.warn(what, d.MasterKeyFile+" can be read by "+config.Readers(mode),
			"as it must be where that is the group or the mount of sampan alone")
	default:
		d.good(what, "only its owner can read %s", d.MasterKeyFile)
	}
}

// receivers checks where merchants' notifications may go.
func (d *checkup) receivers() {
	for _, a := range d.Delivery.Allow {
		d.warn("delivery.allow", "merchants can have requests sent to "+opened(a),
			"take it out, unless a merchant's own server stands there")
	}
	for _, p := range d.Delivery.Ports {
		if p != 80 && p != 443 {
			d.warn("delivery.ports",
				fmt.Sprintf("merchants can have requests sent to port %d of any public address",
					p), "leave 80 and 443, unless merchants need it")
		}
	}
	if len(d.Delivery.Allow) == 0 {
		d.good("delivery.allow", "empty: notifications go to public addresses only")
	}
}

// opened describes the addresses that an exception opens.
func opened(a outbound.Allow) string {
	kind := "public addresses"
	switch addr := a.Prefix.Addr(); {
	case a.Prefix.Bits() == 0:
		kind = "every address, also inside your network"
	case addr.IsLoopback():
		kind = "this machine itself"
	case addr.IsLinkLocalUnicast():
		kind = "the machines and services next to this one"
	case addr.IsPrivate():
		kind = "your own network"
	}
	if len(a.Ports) == 0 {
		kind += ", every port"
	}
	return a.String() + " (" + kind + ")"
}

// databaseFiles checks who can read SQLite's files, and the free space on their disk.
func (d *checkup) databaseFiles(path string) {
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		if info, err := os.Stat(name); err == nil && info.Mode().Perm()&0o077 != 0 {
			d.warn("database",
				fmt.Sprintf("%s can be read by others than its owner (%v)", name, info.Mode().Perm()),
				"chmod 600 "+name)
		}
	}
	const what = "disk"
	var disk syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(path), &disk); err != nil {
		return // the database's own check says that its directory is not there
	}
	const mib = 1 << 20
	switch free := float64(disk.Bavail) * float64(disk.Bsize) / mib; {
	case free < 100:
		d.wrong(what, fmt.Sprintf("%.0f MiB are free at %s", free, filepath.Dir(path)),
			"make room: without it no order can be stored")
	case free < 1024:
		d.warn(what, fmt.Sprintf("%.0f MiB are free at %s", free, filepath.Dir(path)),
			"make room: an order takes about 2 KiB")
	default:
		d.good(what, "%.0f MiB are free", free)
	}
}
