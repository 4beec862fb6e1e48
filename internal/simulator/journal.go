package simulator

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

var errJournal = errors.New("simulator: the journal cannot be written")

// change holds the new form of each record that one event touched. It is one line of the journal,
// so a crash keeps either all of it or nothing.
type change struct {
	Attempt *Attempt   `json:"attempt,omitempty"`
	Trades  []*Trade   `json:"trades,omitempty"`
	Notices []*Notice  `json:"notices,omitempty"`
	Faults  *faultBook `json:"faults,omitempty"`
}

// journal is a file of changes, one JSON object per line.
type journal struct {
	file *os.File
	size int64
}

// openJournal opens the journal in dir, creates both if needed, and passes every change in it to
// apply. It cuts off a last line without a line break.
func openJournal(dir string, apply func(change)) (*journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("simulator: journal: %w", err)
	}
	name := filepath.Join(dir, "simulator.jsonl")
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("simulator: journal: %w", err)
	}
	j := &journal{file: file}
	if err := j.replay(apply); err != nil {
		file.Close()
		return nil, fmt.Errorf("simulator: journal %s: %w", name, err)
	}
	return j, nil
}

func (j *journal) replay(apply func(change)) error {
	r := bufio.NewReader(j.file)
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			if len(line) == 0 {
				return nil
			}
			return j.file.Truncate(j.size)
		}
		if err != nil {
			return err
		}
		var c change
		if err := json.Unmarshal(line, &c); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		apply(c)
		j.size += int64(len(line))
	}
}

// append writes a change. After an error the file is as before.
func (j *journal) append(c change) error {
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	n, err := j.file.Write(append(line, '\n'))
	if err != nil {
		return errors.Join(err, j.file.Truncate(j.size))
	}
	j.size += int64(n)
	return nil
}

func (j *journal) close() error { return j.file.Close() }
