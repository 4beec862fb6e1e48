package pay

import "log/slog"

// Secret is a value that must not be printed. All of Go's ways to print it give
// "***". Reveal returns the value.
type Secret string

const masked = "***"

// Reveal returns the value itself.
func (s Secret) Reveal() string { return string(s) }

// String implements fmt.Stringer.
func (s Secret) String() string { return masked }

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return masked }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(masked) }

// MarshalText implements encoding.TextMarshaler, and with it JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(masked), nil }
