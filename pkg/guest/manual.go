package guest

import (
	"fmt"
	"strings"
)

// Manual is the documentation of the configuration file in Markdown, made from the table of keys that
// the parser uses.
func Manual() string {
	var b strings.Builder
	b.WriteString(`# v6guest.conf

` + "`" + DefaultConfigFile + "`" + `, and ` + "`" + DefaultConfigFile + `.d/*.conf` + "`" + ` in the order of their names, which override it key by key.
Every key is optional, and so is the file. ` + "`" + `[agent]` + "`" + ` holds for all NICs; ` + "`" + `[nic NAME]` + "`" + ` (or ` + "`" + `[nic MAC]` + "`" + `) for one. A comment
begins with ` + "`" + `;` + "`" + ` or ` + "`" + `#` + "`" + ` at the beginning of a line or after a blank. Whatever v6guest does not understand is an error
that names file and line.

| key | default | values | what it does | in ` + "`" + `[nic]` + "`" + ` |
|---|---|---|---|---|
`)
	cell := strings.NewReplacer("|", `\|`)
	for _, k := range Keys() {
		per := ""
		if k.PerNIC {
			per = "yes"
		}
		values := k.Values
		if k.Unit != "" {
			values += " (" + k.Unit + ")"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s |\n", k.Name, k.Default, cell.Replace(values), cell.Replace(k.Sentence), per)
	}
	return b.String()
}
