package session

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metered is a Backend that counts what it is asked for.
type metered struct {
	Backend
	operations *prometheus.HistogramVec
	now        func() time.Time
}

// Metered returns the backend with a histogram of the time that its operations
// take, by operation and outcome. Keys are no labels. It panics if the registry
// has the histogram already: a process has one backend.
func Metered(backend Backend, registry prometheus.Registerer, now func() time.Time) Backend {
	m := &metered{Backend: backend, now: now, operations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "tegata", Subsystem: "session", Name: "operation_duration_seconds",
		Help:    "Time that an operation of the session store takes, in seconds, by operation and outcome.",
		Buckets: []float64{0.0002, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5},
	}, []string{"operation", "outcome"})}
	registry.MustRegister(m.operations)
	return m
}

// Unwrap returns the backend that is metered.
func (m *metered) Unwrap() Backend { return m.Backend }

func (m *metered) observe(operation string, start time.Time, err error) {
	m.operations.WithLabelValues(operation, outcome(err)).Observe(max(0, m.now().Sub(start)).Seconds())
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, ErrNotFound):
		return "not_found"
	case errors.Is(err, ErrExists):
		return "exists"
	case errors.Is(err, ErrConflict):
		return "conflict"
	case errors.Is(err, context.Canceled):
		return "canceled" // nobody waits any more; the store is not to blame
	case errors.Is(err, ErrUnavailable):
		return "unavailable"
	}
	return "error"
}

func (m *metered) Put(ctx context.Context, key string, value []byte, expires time.Time) (err error) {
	defer func(start time.Time) { m.observe("put", start, err) }(m.now())
	return m.Backend.Put(ctx, key, value, expires)
}

func (m *metered) Add(ctx context.Context, key string, value []byte, expires time.Time) (err error) {
	defer func(start time.Time) { m.observe("add", start, err) }(m.now())
	return m.Backend.Add(ctx, key, value, expires)
}

func (m *metered) Get(ctx context.Context, key string) (value []byte, version uint64, err error) {
	defer func(start time.Time) { m.observe("get", start, err) }(m.now())
	return m.Backend.Get(ctx, key)
}

func (m *metered) Swap(ctx context.Context, key string, version uint64, value []byte) (err error) {
	defer func(start time.Time) { m.observe("swap", start, err) }(m.now())
	return m.Backend.Swap(ctx, key, version, value)
}

func (m *metered) Take(ctx context.Context, key string) (value []byte, err error) {
	defer func(start time.Time) { m.observe("take", start, err) }(m.now())
	return m.Backend.Take(ctx, key)
}

func (m *metered) Count(ctx context.Context, key string, expires time.Time) (n int64, err error) {
	defer func(start time.Time) { m.observe("count", start, err) }(m.now())
	return m.Backend.Count(ctx, key, expires)
}

// GetRun implements runner.
func (m *metered) GetRun(ctx context.Context, key string) (value []byte, version uint64, run string, err error) {
	defer func(start time.Time) { m.observe("get_run", start, err) }(m.now())
	return getRun(ctx, m.Backend, key)
}
