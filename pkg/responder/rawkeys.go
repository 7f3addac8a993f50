package responder

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/wire"
)

// rawKey is the name of the keys of options by their codes, as the documentation has it.
const rawKey = "option.NN"

// maxOption is how long one option may be, and maxOptions how long all of a client's together, in bytes: an
// answer that has to travel in many fragments does not arrive.
const (
	maxOption  = 1024
	maxOptions = 2048
)

// ownOptions are the codes that the server itself writes, or that have no place in its answers, with what to
// do instead.
var ownOptions = map[dhcpv6.OptionCode]string{
	dhcpv6.OptionClientID: "", dhcpv6.OptionServerID: "write duid = into [server]",
	dhcpv6.OptionIANA: "", dhcpv6.OptionIATA: "", dhcpv6.OptionIAAddr: "", dhcpv6.OptionIAPD: "", dhcpv6.OptionIAPrefix: "",
	dhcpv6.OptionORO: "", dhcpv6.OptionElapsedTime: "", dhcpv6.OptionRelayMsg: "", dhcpv6.OptionAuth: "", dhcpv6.OptionUnicast: "",
	dhcpv6.OptionStatusCode: "", dhcpv6.OptionUserClass: "", dhcpv6.OptionVendorClass: "", dhcpv6.OptionInterfaceID: "",
	dhcpv6.OptionReconfMessage: "", dhcpv6.OptionReconfAccept: "", dhcpv6.OptionRemoteID: "", dhcpv6.OptionRelayAgentSubscriberID: "",
	dhcpv6.OptionFQDN: "", dhcpv6.OptionEchoRequest: "", dhcpv6.OptionRelayPort: "", dhcpv6.OptionClientLinkLayerAddr: "", dhcpv6.OptionPDExclude: "",
	dhcpv6.OptionPreference:             "write preference = into [server]",
	dhcpv6.OptionRapidCommit:            "write rapid_commit = into [server]",
	dhcpv6.OptionDNSRecursiveNameServer: "write dns =",
	dhcpv6.OptionDomainSearchList:       "write search =",
	dhcpv6.OptionSNTPServerList:         "write ntp =",
	dhcpv6.OptionNTPServer:              "write ntp =",
	dhcpv6.OptionInformationRefreshTime: "write information_refresh =",
	dhcpv6.OptionSolMaxRT:               "write sol_max_rt =",
	dhcpv6.OptionInfMaxRT:               "write inf_max_rt =",
}

// rawCode is the code that a key option.NN names.
func rawCode(key string) (dhcpv6.OptionCode, error) {
	digits := strings.TrimPrefix(key, "option.")
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n == 0 || digits[0] == '0' {
		return 0, errors.New("write the option's code in place of NN: option.59")
	}
	code := dhcpv6.OptionCode(n)
	switch cure, own := ownOptions[code]; {
	case own && cure == "":
		return 0, errors.New("the server writes this option itself where it has to")
	case own:
		return 0, fmt.Errorf("the server writes this option itself; %s", cure)
	}
	return code, nil
}

// rawValue reads bytes in hex, with blanks or colons between them or without.
func rawValue(v string) ([]byte, error) {
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "\t", "", ":", "").Replace(v))
	switch {
	case err != nil || len(b) == 0:
		return nil, fmt.Errorf("%.60q: write the option's bytes in hex, such as 20 01 0d b8", v)
	case len(b) > maxOption:
		return nil, fmt.Errorf("%d bytes; an option has at most %d here", len(b), maxOption)
	}
	return b, nil
}

// raw sets the options that a section gives by code.
func (s *section) raw(to *Parameters, codes *[]dhcpv6.OptionCode) error {
	var errs []error
	for _, k := range s.keys {
		if !strings.HasPrefix(k.Name, "option.") {
			continue
		}
		code, err := rawCode(k.Name)
		if err == nil && (k.Text != "" || codes == nil) { // a class takes away what it leaves empty
			var b []byte
			if b, err = rawValue(k.Text); err == nil {
				to.Raw = append(to.Raw, wire.Option{Code: code, Data: b})
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", k.Where, k.Name, err))
		} else if codes != nil {
			*codes = append(*codes, code)
		}
	}
	slices.SortFunc(to.Raw, func(a, b wire.Option) int { return int(a.Code) - int(b.Code) })
	if codes != nil {
		slices.Sort(*codes)
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}
