//go:build linux

package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/negfleet/negfleet/shared/sweep"
)

// sweepEvery is Cloud Scheduler's cadence in a deployment.
const sweepEvery = 10 * time.Minute

// startScheduler sweeps once, which renews the Lease that lets the webhook gate, and then
// at the cadence of a deployment until the world is closed.
func (w *World) startScheduler(ctx context.Context) error {
	report, err := w.Sweep(ctx)
	if err != nil {
		return err
	}
	for _, c := range report.Clusters {
		if c.Lease != "" {
			return fmt.Errorf("cluster %s: the sweep could not renew the Lease: %s", c.Name, c.Lease)
		}
	}
	running, stop := context.WithCancel(context.Background())
	w.stopScheduler = stop
	go func() {
		ticks := time.NewTicker(sweepEvery)
		defer ticks.Stop()
		for {
			select {
			case <-ticks.C:
				_, _ = w.Sweep(running) // a run that failed is in the function's log
			case <-running.Done():
				return
			}
		}
	}()
	return nil
}

// Sweep calls the sweep function as the Scheduler does and returns its report.
func (w *World) Sweep(ctx context.Context) (sweep.Report, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.urls["sweep"]+"/", nil)
	if err != nil {
		return sweep.Report{}, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return sweep.Report{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return sweep.Report{}, err
	}
	if res.StatusCode != http.StatusOK {
		return sweep.Report{}, fmt.Errorf("sweep: %s: %s", res.Status, body)
	}
	var report sweep.Report
	return report, json.Unmarshal(body, &report)
}
