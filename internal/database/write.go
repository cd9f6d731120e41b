package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
)

// Write runs fn in a transaction and returns nil once it is committed. If fn
// returns an error, what it wrote is undone and Write returns that error.
//
// fn runs on another goroutine while others wait for it, so it does nothing
// but SQL: no network, no signing, no other Write. It may run more than once,
// when a neighbour in the same batch broke the transaction; so it sets its
// results and never adds to them. It must not end the transaction. A panic in
// fn comes out of Write, and undoes what fn wrote.
//
// When ctx ends before fn has begun, fn never runs. After that Write waits for
// the outcome, so that a caller knows whether its write was committed.
func (d *DB) Write(ctx context.Context, fn func(*sql.Tx) error) error {
	w := &write{ctx: ctx, fn: fn, done: make(chan struct{})}
	if err := d.queue.put(ctx, w); err != nil {
		return err
	}
	select {
	case <-w.done:
	case <-ctx.Done():
		if w.claimed.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		<-w.done
	}
	if w.panicked != nil {
		panic(w.panicked)
	}
	return w.err
}

// write is one call of Write. Whoever sets claimed decides its fate: the loop,
// which then runs it, or the caller, who then has left.
type write struct {
	ctx      context.Context
	fn       func(*sql.Tx) error
	attempts int
	claimed  atomic.Bool
	done     chan struct{}
	err      error
	panicked any
}

func (w *write) finish(err error) {
	w.err = err
	close(w.done)
}

// errPanicked stands in for a panic until Write raises it again.
var errPanicked = errors.New("database: write function panicked")

func (w *write) call(tx *sql.Tx) (err error) {
	defer func() {
		if w.panicked = recover(); w.panicked != nil {
			err = errPanicked
		}
	}()
	return w.fn(tx)
}

// writeLoops runs the writers until the queue is closed and empty.
func (d *DB) writeLoops(writers int) {
	defer close(d.queue.drained)
	var group sync.WaitGroup
	for range writers {
		group.Go(d.writeLoop)
	}
	group.Wait()
}

// writeLoop is one writer. While its commit syncs to disk, the next batch
// gathers in the queue.
func (d *DB) writeLoop() {
	for {
		batch := d.queue.take(d.maxBatch)
		if batch == nil {
			return
		}
		for _, w := range d.commit(batch) {
			for again := []*write{w}; len(again) > 0; {
				again = d.commit(again)
			}
		}
	}
}

// maxAttempts is how often a write is tried that runs into others.
const maxAttempts = 5

// commit runs the batch in one transaction. It returns those that have to run
// again, alone, because another one broke the transaction they were in or held
// a lock.
func (d *DB) commit(batch []*write) (again []*write) {
	// The transaction belongs to all callers, so no caller's context ends it.
	tx, err := d.begin(context.Background(), d.writer, nil)
	if err != nil {
		finishAll(batch, fmt.Errorf("%w: begin: %w", ErrUnavailable, err))
		return nil
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	var ran []*write
	for i, w := range batch {
		if i == 1 && d.impatient != "" {
			if err := run(tx, d.impatient); err != nil {
				return append(append(again, ran...), batch[i:]...)
			}
		}
		err, broken := d.step(tx, w)
		if err == nil {
			ran = append(ran, w)
			continue
		}
		if w.attempts++; broken == nil && w.attempts < maxAttempts && d.contended(err, len(batch) == 1) {
			again = append(again, w)
			continue
		}
		w.finish(d.blame(w.ctx, err))
		if errors.Is(broken, sql.ErrTxDone) {
			// The function committed or rolled back behind our back. Running
			// its predecessors again could write them twice.
			finishAll(ran, fmt.Errorf("%w: a write function ended the transaction", ErrUnavailable))
			return append(again, batch[i+1:]...)
		}
		if broken != nil {
			return append(append(again, ran...), batch[i+1:]...)
		}
	}
	if len(ran) == 0 {
		return again
	}
	if err = tx.Commit(); err != nil {
		err = fmt.Errorf("%w: commit: %w", ErrUnavailable, err)
	}
	finishAll(ran, err)
	return again
}

func finishAll(writes []*write, err error) {
	for _, w := range writes {
		w.finish(err)
	}
}

// step runs one write under a savepoint. An error in broken says that others
// can no longer use the transaction. That happens when a statement was
// interrupted because its caller left: SQLite then undoes the whole transaction,
// and the connection to PostgreSQL is closed.
func (d *DB) step(tx *sql.Tx, w *write) (err, broken error) {
	if broken = run(tx, "SAVEPOINT write"); broken != nil {
		return broken, broken
	}
	if err = w.call(tx); err == nil {
		broken = run(tx, "RELEASE SAVEPOINT write")
		return broken, broken
	}
	if broken = run(tx, "ROLLBACK TO SAVEPOINT write"); broken == nil {
		broken = run(tx, "RELEASE SAVEPOINT write")
	}
	return err, broken
}

func run(tx *sql.Tx, statement string) error {
	if _, err := tx.ExecContext(context.Background(), statement); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrUnavailable, statement, err)
	}
	return nil
}

// queue is where writes wait for the loop.
type queue struct {
	mu      sync.RWMutex // held for reading while putting, for writing to close
	closed  bool
	waiting chan *write
	drained chan struct{}
}

func newQueue() *queue {
	return &queue{waiting: make(chan *write, 256), drained: make(chan struct{})}
}

func (q *queue) put(ctx context.Context, w *write) error {
	q.mu.RLock()
	defer q.mu.RUnlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if q.closed {
		return fmt.Errorf("%w: closed", ErrUnavailable)
	}
	select {
	case q.waiting <- w:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take waits for a write and returns it with those that wait behind it, at
// most limit, or nil when the queue is closed and empty.
func (q *queue) take(limit int) []*write {
	var batch []*write
	for w := range q.waiting {
		if w.claimed.CompareAndSwap(false, true) {
			batch = append(batch, w)
			break
		}
	}
	for len(batch) > 0 && len(batch) < limit {
		select {
		case w, open := <-q.waiting:
			if !open {
				return batch
			}
			if w.claimed.CompareAndSwap(false, true) {
				batch = append(batch, w)
			}
		default:
			return batch
		}
	}
	return batch
}

// close refuses further writes and waits for those already in the queue.
func (q *queue) close() {
	q.mu.Lock()
	if !q.closed {
		q.closed = true
		close(q.waiting)
	}
	q.mu.Unlock()
	<-q.drained
}

// MaxRows is how many rows one INSERT should have: their parameters fit into
// what both databases allow.
const MaxRows = 100

// Rows joins what row returns for each number below n, for the VALUES of an
// INSERT of several rows: a statement for each row costs more than the row.
func Rows(n int, row func(i int) string) string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = row(i)
	}
	return strings.Join(rows, ", ")
}
