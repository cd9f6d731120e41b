package catalogue

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tegata-id/tegata/credentials"
	"github.com/tegata-id/tegata/credentials/dcql"
	"github.com/tegata-id/tegata/issuer/evidence"
	"github.com/tegata-id/tegata/issuer/source"
)

var (
	// typeName is what IDs of types and names of registers and claims look like.
	typeName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,40}$`)
	// scopeToken is a scope of RFC 6749 section 3.3.
	scopeToken = regexp.MustCompile(`^[\x21\x23-\x5B\x5D-\x7E]+$`)
	colour     = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
)

// shortestValidity leaves room for an end of validity that everybody shares,
// which is once a week, and for a day of use.
const shortestValidity = 8 * 24 * time.Hour

// evidenceKinds are the kinds that can be demanded.
var evidenceKinds = []evidence.Kind{
	evidence.KindJPKISignature, evidence.KindJPKIOtherDevice, evidence.KindJPKIReturning, evidence.KindOpenID, evidence.KindBackOffice,
}

// faults collects what is wrong with a block.
type faults []error

func (f *faults) add(key, format string, args ...any) {
	*f = append(*f, &Fault{Key: key, Text: fmt.Sprintf(format, args...)})
}

func (t *Type) check() []error {
	var f faults
	if !typeName.MatchString(t.ID) {
		f.add("id", "needed, of lower-case letters, digits and underscore, beginning with a letter")
	}
	t.Name.check("name", &f)
	if t.Description != nil {
		t.Description.check("description", &f)
	}
	t.checkFormats(&f)
	t.checkDisplay(&f)
	t.checkPolicy(&f)
	t.checkReuse(&f)
	if len(t.Claims) == 0 {
		f.add("claims", "at least one is needed")
	}
	for i := range t.Claims {
		t.checkClaim(i, &f)
	}
	t.checkPaths(credentials.FormatSDJWTVC, "sd_jwt", &f)
	t.checkPaths(credentials.FormatMdoc, "mdoc", &f)
	t.checkKnown(&f)
	slices.SortFunc(f, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return f
}

func (t Texts) check(key string, f *faults) {
	for language, text := range map[string]string{"ja": t.JA, "en": t.EN} {
		if strings.TrimSpace(text) == "" {
			f.add(key+"."+language, "needed")
		} else if err := source.CheckText(text); err != nil {
			f.add(key+"."+language, "%s", err)
		}
	}
}

func (t *Type) checkFormats(f *faults) {
	if t.SDJWT == nil && t.Mdoc == nil {
		f.add("sd_jwt", "sd_jwt, mdoc or both are needed")
	}
	if t.SDJWT != nil {
		checkName("sd_jwt.vct", t.SDJWT.VCT, f)
		checkScope("sd_jwt.scope", t.SDJWT.Scope, f)
	}
	if t.Mdoc != nil {
		checkName("mdoc.doctype", t.Mdoc.Doctype, f)
		if t.Mdoc.Namespace != "" {
			checkName("mdoc.namespace", t.Mdoc.Namespace, f)
		}
		checkScope("mdoc.scope", t.Mdoc.Scope, f)
	}
	if t.SDJWT != nil && t.Mdoc != nil && t.SDJWT.VCT == t.Mdoc.Doctype {
		f.add("mdoc.doctype", "must not be the vct")
	}
	if t.SDJWT != nil && t.Mdoc != nil && t.Scope(credentials.FormatSDJWTVC) == t.Scope(credentials.FormatMdoc) {
		f.add("mdoc.scope", "is that of the other format")
	}
}

func checkName(key, name string, f *faults) {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		f.add(key, "needed, in ASCII and without spaces")
	}
}

func checkScope(key, scope string, f *faults) {
	if scope != "" && !scopeToken.MatchString(scope) {
		f.add(key, "is not one scope")
	}
}

func (t *Type) checkDisplay(f *faults) {
	for key, image := range map[string]*Image{"logo": t.Logo, "background_image": t.BackgroundImage} {
		if image == nil {
			continue
		}
		if u, err := url.Parse(image.URI); err != nil || (u.Scheme != "https" || u.Host == "") && !strings.HasPrefix(image.URI, "data:image/") {
			f.add(key+".uri", "must be an https URL or data:image/…")
		}
	}
	for key, value := range map[string]string{"background_color": t.BackgroundColor, "text_color": t.TextColor} {
		if value != "" && !colour.MatchString(value) {
			f.add(key, "must be such as #1d4f91")
		}
	}
}

// checkPolicy checks who may have credentials, and how long they last.
func (t *Type) checkPolicy(f *faults) {
	for i, kind := range t.Evidence {
		if !slices.Contains(evidenceKinds, kind) || slices.Contains(t.Evidence[:i], kind) {
			f.add("evidence", "%q is no kind of evidence, or is there twice", kind)
		}
	}
	switch {
	case t.Validity < 0, t.Validity != 0 && t.Validity < shortestValidity && !t.Cascade.None:
		f.add("validity", "must be %s or more, because credentials end on Mondays", shortestValidity)
	case t.Validity != 0 && t.Validity < 2*time.Hour:
		f.add("validity", "must be 2h or more")
	}
	if t.NoStatus && !t.Cascade.None {
		f.add("no_status", "needs cascade: {none: true}: what can't be revoked can't fall with its evidence")
	}
	if k := t.KeyAttestation; k != nil {
		for key, list := range map[string][]string{"key_storage": k.KeyStorage, "user_authentication": k.UserAuthentication} {
			if slices.Contains(list, "") {
				f.add("key_attestation."+key, "has an empty value")
			}
		}
	}
}

// The ways of the European framework to use a credential.
const (
	onceOnly      = "once_only"
	limitedTime   = "limited_time"
	rotatingBatch = "rotating-batch"
	perParty      = "per-relying-party"
)

func (t *Type) checkReuse(f *faults) {
	for i, o := range t.ReusePolicy {
		key := "reuse_policy[" + strconv.Itoa(i) + "]"
		has := func(detail string) bool { return slices.Contains(o.Details, detail) }
		for n, detail := range o.Details {
			if !slices.Contains([]string{onceOnly, limitedTime, rotatingBatch, perParty}, detail) || slices.Contains(o.Details[:n], detail) {
				f.add(key+".details", "%q is no way of use, or is there twice", detail)
			}
		}
		if has(onceOnly) == has(limitedTime) {
			f.add(key+".details", "needs one of once_only and limited_time")
		}
		batch := has(onceOnly) || has(rotatingBatch) || has(perParty)
		if batch != (o.BatchSize != 0) || batch && o.BatchSize < 2 {
			f.add(key+".batch_size", "must be 2 or more, unless limited_time is all there is")
		}
		if has(onceOnly) != (o.Unused != nil) || o.Unused != nil && (*o.Unused < 0 || *o.Unused >= max(o.BatchSize, 1)) {
			f.add(key+".reissue_trigger_unused", "needed with once_only alone, and less than batch_size")
		}
		timed := has(limitedTime) || has(rotatingBatch) || has(perParty)
		if timed != (o.LifetimeLeft != 0) || o.LifetimeLeft < 0 {
			f.add(key+".reissue_trigger_lifetime_left", "needed with all but once_only alone, and more than 0")
		}
	}
}

func (t *Type) checkClaim(i int, f *faults) {
	c, key := &t.Claims[i], "claims["+strconv.Itoa(i)+"]"
	c.Name.check(key+".name", f)
	before := len(*f)
	c.Shape.check(key, f)
	c.checkSource(key, len(*f) == before, f)
	if len(c.SDJWT) == 0 && len(c.Mdoc) == 0 {
		f.add(key, "stands in no format: sd_jwt or mdoc is needed")
	}
	if len(c.SDJWT) > 0 && t.SDJWT == nil {
		f.add(key+".sd_jwt", "the type has no sd_jwt")
	}
	if len(c.Mdoc) > 0 && t.Mdoc == nil {
		f.add(key+".mdoc", "the type has no mdoc")
	}
	if len(c.Mdoc) > 2 {
		f.add(key+".mdoc", "must be an element, or a namespace and an element")
	}
	if slices.Contains(c.SDJWT, "") || slices.Contains(c.Mdoc, "") {
		f.add(key, "has an empty name on the way to it")
	}
	if len(c.SDJWT) > 0 && slices.Contains(reserved, c.SDJWT[0]) {
		f.add(key+".sd_jwt", "%s describes the credential and not a person", c.SDJWT[0])
	}
	if c.Always && len(c.SDJWT) != 1 {
		f.add(key+".always_disclosed", "is for claims on the first level of an SD-JWT VC")
	}
	for _, path := range [][]string{c.SDJWT, c.Mdoc} {
		if dcql.DeniedClaim(credentials.PathOf(path...)) {
			f.add(key, "%s names the Individual Number, which must not be in a credential", strings.Join(path, "."))
		}
	}
}

// reserved are claims that describe the credential, or that SD-JWT uses itself.
var reserved = []string{
	"iss", "nbf", "exp", "iat", "jti", "cnf", "vct", "vct#integrity", "aka_vcts", "status", "aud", "_sd", "_sd_alg", "...",
}

// checkSource checks where the claim comes from; shaped says that its shape is
// in order.
func (c *Claim) checkSource(key string, shaped bool, f *faults) {
	if (c.From == "") == c.Value.IsZero() {
		f.add(key, "needs either from or value")
		return
	}
	if !c.Value.IsZero() {
		v, err := source.ValueOf(&c.Value)
		if err == nil && shaped {
			c.constant, err = c.fit(v)
		}
		if err != nil {
			f.add(key+".value", "%s", err)
		}
		return
	}
	origin, name, _ := strings.Cut(c.From, ".")
	switch {
	case origin == sourcePerson:
		function, ok := personFunction(name)
		if !ok {
			f.add(key+".from", "there is no %s; there are %s", c.From, strings.Join(FunctionNames(), ", "))
		} else if !fits(function.kind, c.Kind) {
			f.add(key+".type", "%s is of type %s", c.From, function.kind)
		}
	case origin == sourceIssuer && name != "name_ja" && name != "name_en":
		f.add(key+".from", "there is no %s; there are name_ja and name_en", c.From)
	case !typeName.MatchString(origin) || !typeName.MatchString(name):
		f.add(key+".from", "must be such as person.name or, for a register, residents.nationality")
	}
	if dcql.DeniedClaim(credentials.PathOf(name)) {
		f.add(key+".from", "%s names the Individual Number, which must not be in a credential", c.From)
	}
}

// fits reports whether what a function gives can be of the kind.
func fits(given, kind Kind) bool {
	return given == kind || given == KindText && (kind == KindLatin) || given == KindUnsigned && kind == KindInteger ||
		given == KindIdentifier && kind == KindText
}

func (s *Shape) check(key string, f *faults) {
	switch s.Kind {
	case KindText, KindLatin, KindIdentifier, KindCorporateNumber, KindBool, KindUnsigned, KindInteger, KindFullDate, KindTime, KindBytes, KindPortrait, KindList, KindObject:
	default:
		f.add(key+".type", "%q is none of text, latin, identifier, corporate-number, bool, unsigned, integer, full-date, time, bytes, portrait, list, object", s.Kind)
		return
	}
	if text := s.Kind == KindText || s.Kind == KindLatin || s.Kind == KindIdentifier; s.MaxLength < 0 || s.MaxLength != 0 && !text {
		f.add(key+".max_length", "is for texts, and more than 0")
	}
	switch {
	case s.Kind == KindList && s.Items == nil:
		f.add(key+".items", "needed: what the elements of the list are")
	case s.Kind != KindList && s.Items != nil:
		f.add(key+".items", "is for lists")
	case s.Items != nil:
		s.Items.check(key+".items", f)
	}
	if (s.Kind == KindObject) != (len(s.Members) > 0) {
		f.add(key+".members", "belongs to objects, which need at least one")
	}
	for _, name := range slices.Sorted(maps.Keys(s.Members)) {
		member := s.Members[name]
		if dcql.DeniedClaim(credentials.PathOf(name)) {
			f.add(key+".members."+name, "names the Individual Number, which must not be in a credential")
		}
		member.check(key+".members."+name, f)
	}
}

// checkPaths refuses claims that stand in the same place, or one within another.
func (t *Type) checkPaths(format credentials.Format, name string, f *faults) {
	count := 0
	for i := range t.Claims {
		path := t.Path(&t.Claims[i], format)
		if path == nil {
			continue
		}
		count++
		for k := range i {
			if other := t.Path(&t.Claims[k], format); other != nil && (other.Covers(path) || path.Covers(other)) {
				f.add("claims["+strconv.Itoa(i)+"]."+name, "%s stands where claims[%d] is", path, k)
			}
		}
	}
	if declared := format == credentials.FormatMdoc && t.Mdoc != nil || format != credentials.FormatMdoc && t.SDJWT != nil; declared && count == 0 {
		f.add(name, "no claim stands in it")
	}
}
