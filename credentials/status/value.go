package status

import "strconv"

// Value is a status type of the registry in section 7.1.
type Value uint8

// The registered statuses. All others are application specific or reserved.
const (
	Valid     Value = 0
	Invalid   Value = 1
	Suspended Value = 2
)

// IsValid reports whether the credential may be relied upon. Statuses that
// this package has no name for are not valid.
func (v Value) IsValid() bool { return v == Valid }

// String returns the registered name, or the number for other values.
func (v Value) String() string {
	switch v {
	case Valid:
		return "VALID"
	case Invalid:
		return "INVALID"
	case Suspended:
		return "SUSPENDED"
	}
	return "0x" + strconv.FormatUint(uint64(v), 16)
}
