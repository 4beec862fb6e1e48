package server

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLibraryLogCutsAndCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var written bytes.Buffer
		s := newLibraryLog(slog.New(slog.NewJSONHandler(&written, nil)))
		write := func(n int, text string) (lines []string) {
			written.Reset()
			for range n {
				if k, err := s.Write([]byte(text)); k != len(text) || err != nil {
					t.Fatal(k, err)
				}
			}
			for line := range strings.Lines(written.String()) {
				lines = append(lines, line)
			}
			return lines
		}
		lines := write(100, strings.Repeat("茶", 5000)+"\n")
		if len(lines) != libraryLines || len(lines[0]) > libraryLength+200 {
			t.Errorf("%d lines, the first of %d bytes", len(lines), len(lines[0]))
		}
		time.Sleep(libraryPeriod)
		lines = write(1, "later\n")
		var fields struct {
			Level, Text string
			LeftOut     int `json:"left_out"`
		}
		err := json.Unmarshal([]byte(lines[0]), &fields)
		if err != nil || fields.Level != "WARN" || fields.Text != "later" || fields.LeftOut != 95 {
			t.Errorf("got %s, %v", lines, err)
		}
	})
}
