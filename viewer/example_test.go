package viewer_test

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/rowhouse/rowhouse/domain"
	"github.com/rowhouse/rowhouse/viewer"
)

// Somebody sees the badges that are their own and those that are open, and nothing
// personal of them.
func ExampleNew() {
	clerk := viewer.Role{"badge": {
		Actions: map[string]string{"read": "owner_id = $me or state = open", "update": "owner_id = $me"},
		Classes: map[domain.Class]viewer.Access{domain.Internal: viewer.Full, domain.Personal: viewer.Masked},
	}}
	v := viewer.New(kinds, tenant, domain.Actor{Kind: "user", ID: ann}, clerk)
	rules, err := v.OfName("badge")
	if err != nil {
		fmt.Println(err)
		return
	}
	of := badge{owner: bob, state: "open"}
	fmt.Println("sees", rules.Sees(uuid.UUID{}, &of), "updates", rules.Allows("update", uuid.UUID{}, &of))
	doc, err := rules.Show([]byte(`{"id":"bad_1","holder":"Ada","state":"open"}`))
	fmt.Println(string(doc), err)
	rows, _ := rules.Rows()
	fmt.Println(rows)
	// Output:
	// sees true updates false
	// {"id":"bad_1","holder":null,"state":"open","masked":["holder"]} <nil>
	// ((owner_id = usr_02000000000000000000000000 or state = open))
}
