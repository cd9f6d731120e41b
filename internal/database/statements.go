package database

import (
	"context"
	"database/sql/driver"
	"errors"
)

// maxStatements limits the prepared statements that a connection keeps. There
// are fewer texts than that; those that are made for a number of values count
// as one each.
const maxStatements = 128

// preparing has connections to SQLite keep the statements that they have
// prepared. Parsing SQL takes longer than running it here, and database/sql
// prepares a statement for every call.
type preparing struct{ driver.Connector }

// Connect implements driver.Connector.
func (p preparing) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := p.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	full, ok := c.(sqliteConn)
	if !ok {
		return nil, errors.Join(errors.New("database: the driver lacks what is needed to keep statements"), c.Close())
	}
	return &preparedConn{sqliteConn: full, idle: map[string]sqliteStatement{}}, nil
}

// sqliteConn is what a connection of the driver can do.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// sqliteStatement is what a statement of the driver can do.
type sqliteStatement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// preparedConn is a connection with statements that nobody uses right now. As any
// connection, it has one user at a time.
type preparedConn struct {
	sqliteConn
	idle map[string]sqliteStatement
}

// PrepareContext implements driver.ConnPrepareContext.
func (c *preparedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	return c.take(ctx, query)
}

// ExecContext implements driver.ExecerContext.
func (c *preparedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	result, err := s.ExecContext(ctx, args)
	return result, errors.Join(err, s.Close())
}

// QueryContext implements driver.QueryerContext.
func (c *preparedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	rows, err := s.QueryContext(ctx, args)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &preparedRows{Rows: rows, statement: s}, nil
}

// take returns an idle statement, or prepares one.
func (c *preparedConn) take(ctx context.Context, query string) (*preparedStatement, error) {
	if s, ok := c.idle[query]; ok {
		delete(c.idle, query)
		return &preparedStatement{sqliteStatement: s, conn: c, query: query}, nil
	}
	prepared, err := c.sqliteConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s, ok := prepared.(sqliteStatement)
	if !ok {
		return nil, errors.Join(errors.New("database: the driver's statements know no contexts"), prepared.Close())
	}
	return &preparedStatement{sqliteStatement: s, conn: c, query: query}, nil
}

// Close implements driver.Conn.
func (c *preparedConn) Close() error {
	var failures []error
	for _, s := range c.idle {
		failures = append(failures, s.Close())
	}
	c.idle = nil
	return errors.Join(append(failures, c.sqliteConn.Close())...)
}

// preparedStatement goes back to its connection when it is closed.
type preparedStatement struct {
	sqliteStatement
	conn  *preparedConn
	query string
}

// Close implements driver.Stmt.
func (s *preparedStatement) Close() error {
	_, twice := s.conn.idle[s.query]
	if twice || s.conn.idle == nil || len(s.conn.idle) >= maxStatements {
		return s.sqliteStatement.Close()
	}
	s.conn.idle[s.query] = s.sqliteStatement
	return nil
}

// preparedRows give their statement back when they are closed.
type preparedRows struct {
	driver.Rows
	statement *preparedStatement
}

// Close implements driver.Rows.
func (r *preparedRows) Close() error {
	return errors.Join(r.Rows.Close(), r.statement.Close())
}
