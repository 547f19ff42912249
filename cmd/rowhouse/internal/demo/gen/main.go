// Gen writes CSV files to try the import with: records that do not exist, in the
// shape in which HubSpot and Salesforce export theirs.
//
//	go run ./cmd/rowhouse/internal/demo/gen -shape hubspot-contacts -rows 10000 >contacts.csv
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/rowhouse/rowhouse/cmd/rowhouse/internal/demo"
)

func main() {
	shape := flag.String("shape", "hubspot-contacts", "which file: "+strings.Join(demo.Shapes(), ", "))
	rows := flag.Int("rows", 100, "how many rows it has")
	flag.Parse()
	if err := demo.Export(os.Stdout, *shape, *rows); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}
