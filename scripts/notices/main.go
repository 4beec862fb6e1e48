// Command notices writes the licences of everything that is linked into the sampan binary to
// cmd/sampan/notices.txt, which the binary contains and prints. With -check it writes nothing, and
// fails if the file is out of date.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const file = "cmd/sampan/notices.txt"

const heading = `Sampan is licensed under the Apache License, Version 2.0. The binary contains the
works below, under the licences that stand behind their names.
Written by: make notices
`

func main() {
	check := flag.Bool("check", false, "write nothing; fail if the file is not up to date")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "notices:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	works, err := linked()
	if err != nil {
		return err
	}
	text, err := notices(works)
	if err != nil {
		return err
	}
	if !check {
		return os.WriteFile(file, text, 0o644)
	}
	have, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !bytes.Equal(have, text) {
		return errors.New(file + " is out of date: run make notices")
	}
	return nil
}

// work is a module, or Go itself, with the directory of its licences.
type work struct{ name, dir string }

// linked lists what is linked into the released binary.
func linked() ([]work, error) {
	list := func(args ...string) (string, error) {
		cmd := exec.Command("go", args...)
		cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err
	}
	root, err := list("env", "GOROOT")
	if err != nil {
		return nil, err
	}
	modules, err := list("list", "-deps", "-f",
		`{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}`, "./cmd/sampan")
	if err != nil {
		return nil, err
	}
	lines := slices.Compact(slices.Sorted(strings.Lines(modules + "\n")))
	works := []work{{"Go, its standard library and its runtime", root}}
	for _, line := range lines {
		if words := strings.Fields(line); len(words) == 3 {
			works = append(works, work{words[0] + " " + words[1], words[2]})
		}
	}
	return works, nil
}

// licence matches the name of a licence file.
var licence = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)[^.]*(\.(txt|md))?$`)

// plain replaces the parts of a text that show differently on different systems.
var plain = strings.NewReplacer("\r\n", "\n", "\t", "        ", "\f", "\n")

// notices returns the licences of the works. Equal texts are listed once, after all works that have
// them.
func notices(works []work) ([]byte, error) {
	var texts []string // in the order of the first work that has each
	under := map[string][]string{}
	for _, w := range works {
		files, err := os.ReadDir(w.dir)
		if err != nil {
			return nil, err
		}
		found := false
		for _, f := range files {
			if f.IsDir() || !licence.MatchString(f.Name()) {
				continue
			}
			text, err := os.ReadFile(filepath.Join(w.dir, f.Name()))
			if err != nil {
				return nil, err
			}
			key := strings.TrimSpace(plain.Replace(string(text)))
			if under[key] == nil {
				texts = append(texts, key)
			}
			under[key] = append(under[key], w.name+"  ("+f.Name()+")")
			found = true
		}
		if !found {
			return nil, errors.New(w.name + " has no licence in " + w.dir)
		}
	}
	var out bytes.Buffer
	out.WriteString(heading)
	for _, text := range texts {
		fmt.Fprintf(&out, "\n%s\n\n%s\n\n%s\n",
			strings.Repeat("=", 78), strings.Join(under[text], "\n"), text)
	}
	return out.Bytes(), nil
}
