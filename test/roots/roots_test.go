package roots

import "testing"

func TestArchiveIsThatOfTheMachinesOwnRelease(t *testing.T) {
	tests := []struct{ name, targets, want string }{
		{"first of several suites", "main bookworm http://a.example/debian/\nmain bookworm-security http://s.example/security/\n", "http://a.example/debian/"},
		{"the security suite first", "main bookworm-security http://s.example/security/\nmain bookworm http://a.example/debian/\n", "http://a.example/debian/"},
		{"a name that moves", "main stable http://a.example/debian/\n", "http://a.example/debian/"},
		{"another vendor's packages", "main nodistro https://vendor.example/\n", ""},
		{"a disc", "main bookworm cdrom:[Debian]/\n", ""},
		{"a list of mirrors", "main bookworm mirror+file:/etc/apt/mirrors/debian.list\n", "mirror+file:/etc/apt/mirrors/debian.list"},
		{"nothing", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := pick(tt.targets, "bookworm"); got != tt.want {
				t.Errorf("pick = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCodename(t *testing.T) {
	if got := codename("ID=debian\nVERSION_CODENAME=trixie\n"); got != "trixie" {
		t.Errorf("codename = %q", got)
	}
	if got := codename("ID=other\nVERSION_CODENAME=\"x\"\n"); got != "x" {
		t.Errorf("quoted codename = %q", got)
	}
}

func TestAnotherListOfPackagesIsAnotherRoot(t *testing.T) {
	a := Spec{Name: "a", Suite: "bookworm", Packages: []string{"x", "y"}}
	b := Spec{Name: "a", Suite: "bookworm", Packages: []string{"y", "x"}}
	c := Spec{Name: "a", Suite: "bookworm", Packages: []string{"x"}}
	if a.key() != b.key() {
		t.Errorf("the order of packages matters: %s, %s", a.key(), b.key())
	}
	if a.key() == c.key() {
		t.Errorf("two lists have one key: %s", a.key())
	}
}
