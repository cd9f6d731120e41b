package source

import (
	"errors"
	"fmt"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/tegata-id/tegata/credentials"
)

// ValueOf reads a value from YAML. Dates and times stay the texts that they are
// written as: what they are, the type of the claim says. Errors repeat nothing of
// the value.
func ValueOf(node *yaml.Node) (credentials.Value, error) {
	switch node.Kind {
	case yaml.AliasNode:
		return nil, fmt.Errorf("line %d: aliases are not supported", node.Line)
	case yaml.SequenceNode:
		out := make(credentials.Array, len(node.Content))
		for i, item := range node.Content {
			var err error
			if out[i], err = ValueOf(item); err != nil {
				return nil, err
			}
		}
		return out, nil
	case yaml.MappingNode:
		out := make(credentials.Object, len(node.Content)/2)
		for i := 0; i+1 < len(node.Content); i += 2 {
			name := node.Content[i].Value
			if _, twice := out[name]; twice {
				return nil, fmt.Errorf("line %d: a member is there twice", node.Line)
			}
			var err error
			if out[name], err = ValueOf(node.Content[i+1]); err != nil {
				return nil, err
			}
		}
		return out, nil
	case yaml.ScalarNode:
		v, err := scalar(node)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", node.Line, err)
		}
		return v, nil
	}
	return nil, errors.New("no value")
}

func scalar(node *yaml.Node) (credentials.Value, error) {
	switch node.ShortTag() {
	case "!!null":
		return credentials.Null{}, nil
	case "!!bool":
		var b bool
		err := node.Decode(&b)
		return credentials.Bool(b), err
	case "!!int":
		// What begins with 0 is a number of something, such as a postal code, and
		// must not lose it.
		n, err := strconv.ParseInt(node.Value, 10, 64)
		if err != nil || strconv.FormatInt(n, 10) != node.Value {
			return nil, errors.New("not a decimal number of 64 bits; write codes in quotes")
		}
		return credentials.Int(n), nil
	case "!!float":
		return nil, errors.New("fractions are not supported; write texts in quotes")
	}
	return credentials.Text(node.Value), nil
}
