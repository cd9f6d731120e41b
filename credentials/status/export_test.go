package status

// List returns the token's list.
func (t *Token) List() *List { return t.list }
