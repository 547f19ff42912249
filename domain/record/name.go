package record

import (
	"reflect"
	"strings"
	"unicode"
)

// CommandName returns what a command of a record is called in refusals: as clients
// write it, if its type has the name that it has in the policy, such as MoveStage
// for move_stage. The command of a [Step] says so itself.
func CommandName(cmd any) string {
	if s, ok := cmd.(Stepper); ok {
		return s.Step().Command
	}
	if n, ok := cmd.(interface{ CommandName() string }); ok {
		return n.CommandName()
	}
	name, _, _ := strings.Cut(reflect.TypeOf(cmd).Name(), "[") // of a generic type
	var b strings.Builder
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
