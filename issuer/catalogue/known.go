package catalogue

import (
	"strings"

	"github.com/tegata-id/tegata/credentials"
)

// required are the claims that a known type must have, by where they stand, with
// the kinds that they may be of.
type required map[string][]Kind

const (
	doctypePID = "eu.europa.ec.eudi.pid.1"
	doctypeMDL = "org.iso.18013.5.1.mDL"
	spaceMDL   = "org.iso.18013.5.1"
	// vctPID is the type itself; those of member states begin with vctPIDs.
	vctPID  = "urn:eudi:pid:1"
	vctPIDs = "urn:eudi:pid:"
)

var (
	anyText = []Kind{KindText, KindLatin}
	anyID   = []Kind{KindIdentifier, KindText, KindLatin}
	date    = []Kind{KindFullDate}
	moment  = []Kind{KindFullDate, KindTime}
	latin   = []Kind{KindLatin}

	// The person identification data of the European framework.
	sdjwtPID = required{
		"family_name": anyText, "given_name": anyText, "birthdate": date, "place_of_birth": {KindObject}, "nationalities": {KindList},
		"picture": {KindPortrait}, "issuing_authority": anyText, "issuing_country": anyText,
	}
	mdocPID = required{
		"family_name": anyText, "given_name": anyText, "birth_date": date, "place_of_birth": {KindObject}, "nationality": {KindList},
		"portrait": {KindPortrait}, "issuing_authority": anyText, "issuing_country": anyText,
	}
	// The mandatory elements of ISO/IEC 18013-5 table 5.
	mdocMDL = required{
		"family_name": latin, "given_name": latin, "birth_date": date, "issue_date": moment, "expiry_date": moment,
		"issuing_country": anyText, "issuing_authority": latin, "document_number": anyID, "portrait": {KindPortrait},
		"driving_privileges": {KindList}, "un_distinguishing_sign": anyText,
	}
)

// checkKnown holds a type that others have defined to what they demand.
func (t *Type) checkKnown(f *faults) {
	if t.SDJWT != nil && strings.HasPrefix(t.SDJWT.VCT, vctPIDs) {
		t.demand(credentials.FormatSDJWTVC, t.SDJWT.VCT, nil, sdjwtPID, f)
		for i := range t.Claims {
			if t.Claims[i].Always {
				f.add("claims", "%s: every claim of %s is selectively disclosable", strings.Join(t.Claims[i].SDJWT, "."), t.SDJWT.VCT)
			}
		}
	}
	if t.Mdoc == nil {
		return
	}
	switch t.Mdoc.Doctype {
	case doctypePID:
		t.demand(credentials.FormatMdoc, doctypePID, []string{doctypePID}, mdocPID, f)
	case doctypeMDL:
		t.demand(credentials.FormatMdoc, doctypeMDL, []string{spaceMDL}, mdocMDL, f)
	}
}

func (t *Type) demand(format credentials.Format, name string, within []string, demanded required, f *faults) {
	for element, kinds := range demanded {
		path := credentials.PathOf(append(within[:len(within):len(within)], element)...)
		claim := t.at(format, path)
		switch {
		case claim == nil:
			f.add("claims", "%s needs %s", name, path)
		case !claim.Mandatory:
			f.add("claims", "%s needs %s to be mandatory", name, path)
		case !contains(kinds, claim.Kind):
			f.add("claims", "%s needs %s to be of type %s", name, path, kinds[0])
		}
	}
}

func contains(kinds []Kind, kind Kind) bool {
	for _, k := range kinds {
		if k == kind {
			return true
		}
	}
	return false
}

// at returns the claim at a path, or nil.
func (t *Type) at(format credentials.Format, path credentials.Path) *Claim {
	for i := range t.Claims {
		if p := t.Path(&t.Claims[i], format); p != nil && p.Equal(path) {
			return &t.Claims[i]
		}
	}
	return nil
}
