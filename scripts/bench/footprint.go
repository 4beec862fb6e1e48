package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const manyOrders = 100_000

// startTime returns how long a start takes until the server is ready: the median of ten.
func startTime(ctx context.Context, d *deployment) (time.Duration, error) {
	var starts []time.Duration
	for range 10 {
		began := time.Now()
		s, err := d.serve(ctx)
		if err != nil {
			return 0, err
		}
		starts = append(starts, time.Since(began))
		if err := s.end(); err != nil {
			return 0, err
		}
	}
	return median(starts), nil
}

func measureFootprint(ctx context.Context, r run, out *report) error {
	out.title("Footprint", "database", "start", "idle", fmt.Sprintf("after %d orders", manyOrders))
	for _, kind := range r.kinds() {
		d, err := deploy(ctx, r, kind, "footprint", "http://127.0.0.1:9/")
		if err != nil {
			return err
		}
		start, err := startTime(ctx, d)
		if err != nil {
			return err
		}
		s, err := d.serve(ctx)
		if err != nil {
			return err
		}
		time.Sleep(2 * time.Second)
		idle, err := s.resident()
		if err != nil {
			return err
		}
		orders := filepath.Join(r.dir, "orders")
		for stored := int64(0); stored < manyOrders; {
			if err := signOrders(orders, d.appCode, d.key, r.unique(), 2*manyOrders); err != nil {
				return err
			}
			if _, err := wrk(ctx, r, d.base, orders, 64, r.duration); err != nil {
				return err
			}
			if stored, err = d.ask(ctx, "SELECT count(*) FROM payment"); err != nil {
				return err
			}
		}
		loaded, err := s.resident()
		if err != nil {
			return err
		}
		out.row(kind, start.Round(time.Millisecond).String(), mib(idle), mib(loaded))
		out.target(kind+": ready after", start.Round(time.Millisecond).String(), "≤ 150ms",
			start <= 150*time.Millisecond)
		out.target(kind+": resident, idle", mib(idle), "≤ 40 MiB", idle <= 40)
		out.target(kind+": resident, after 100000 orders", mib(loaded), "≤ 60 MiB", loaded <= 60)
		if err := s.end(); err != nil {
			return err
		}
	}
	info, err := os.Stat(r.binary)
	if err != nil {
		return err
	}
	size := float64(info.Size()) / 1e6
	out.target("size of the binary", fmt.Sprintf("%.1f MB", size), "≤ 35 MB", size <= 35)
	return nil
}

func mib(n float64) string { return fmt.Sprintf("%.0f MiB", n) }
