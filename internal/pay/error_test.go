package pay

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestErrors(t *testing.T) {
	e := &Error{Code: BadParameter, Field: "amount", Message: "is missing", Err: io.EOF}
	for got, want := range map[string]string{
		e.Error():                                 "bad_parameter: amount: is missing: EOF",
		(&Error{Code: NotFound}).Error():          "not_found",
		string(CodeOf(nil)):                       "",
		string(CodeOf(io.EOF)):                    "internal",
		string(CodeOf(fmt.Errorf("call: %w", e))): "bad_parameter",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if !errors.Is(e, io.EOF) {
		t.Error("the cause is lost")
	}
}
