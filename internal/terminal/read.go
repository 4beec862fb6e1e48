package terminal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sampanpay/sampan/internal/pay"
)

// ReadSecret reads a secret from "@FILE", "-" (standard input) or "env:NAME". A
// secret itself is refused: it would be in the shell's history and in ps.
func ReadSecret(source string, stdin io.Reader) (pay.Secret, error) {
	var text []byte
	var err error
	switch {
	case source == "-":
		text, err = io.ReadAll(io.LimitReader(stdin, 64<<10))
	case strings.HasPrefix(source, "@"):
		text, err = os.ReadFile(source[1:])
	case strings.HasPrefix(source, "env:"):
		value, ok := os.LookupEnv(source[4:])
		if !ok {
			return "", fmt.Errorf("%s is not set", source[4:])
		}
		text = []byte(value)
	default:
		return "", errors.New(
			"give a secret as @FILE, as - for standard input, or as env:NAME, never on the command line")
	}
	if err != nil {
		return "", fmt.Errorf("read a secret: %w", err)
	}
	if secret := strings.TrimSpace(string(text)); secret != "" {
		return pay.Secret(secret), nil
	}
	return "", fmt.Errorf("the secret from %s is empty", source)
}

// ReadText reads a text that is given as itself, "@FILE" or "-", of 64 KiB at most.
func ReadText(source string, stdin io.Reader) (string, error) {
	from := stdin
	if path, ok := strings.CutPrefix(source, "@"); ok {
		f, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer f.Close()
		from = f
	} else if source != "-" {
		return source, nil
	}
	const most = 64 << 10
	text, err := io.ReadAll(io.LimitReader(from, most+1))
	if err == nil && len(text) > most {
		err = errors.New("it is over 64 KiB, more than a server takes")
	}
	return string(text), err
}

// ReadSettings reads a wallet account's settings, each given as itself or as "@FILE",
// and its secrets, each as ReadSecret takes it. The error names the flag and the name.
func ReadSettings(settings, secrets map[string]string, stdin io.Reader) (
	map[string]string, map[string]pay.Secret, error,
) {
	values, keys := make(map[string]string, len(settings)), make(map[string]pay.Secret, len(secrets))
	for name, value := range settings {
		if path, ok := strings.CutPrefix(value, "@"); ok {
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, nil, fmt.Errorf("--set %s: %w", name, err)
			}
			value = strings.TrimSpace(string(text))
		}
		values[name] = value // "-" is a value, and not standard input as in a secret
	}
	for name, source := range secrets {
		secret, err := ReadSecret(source, stdin)
		if err != nil {
			return nil, nil, fmt.Errorf("--secret %s: %w", name, err)
		}
		keys[name] = secret
	}
	return values, keys, nil
}

// Confirm asks a question that "y" or "yes" confirms. Any other answer is an error, and
// so is an input that is not a terminal.
func Confirm(question string, stdin io.Reader, stdout io.Writer) error {
	if !IsTerminal(stdin) {
		return errors.New("this cannot be taken back: say --yes, or run it at a terminal")
	}
	fmt.Fprintf(stdout, "\n%s [y/N] ", question)
	answer, err := bufio.NewReader(stdin).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return err
	}
	return errors.New("left as it is")
}
