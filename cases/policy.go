package cases

import "time"

// What this build requires, as one table a person can read. A step that nothing can do
// yet is not listed, and a level without anything to ask is not offered.

// MinimumAge in whole years, reached on the operator's day (see operatorZone).
const MinimumAge = 18

// operatorZone is where the day changes for ages and expiry dates: China Standard Time, which
// has had no daylight saving since 1991.
var operatorZone = time.FixedZone("CST", 8*60*60)

// Steps that this build knows. The sides of the PRC card are named by what is on them:
// document_front carries the portrait (人像面), document_back the emblem (国徽面).
const (
	DocumentFront = "document_front"
	DocumentBack  = "document_back"
	DocumentPage  = "document_page"
)

// Document types of Level 1.
const (
	CNResidentID = "cn_resident_id"
	Passport     = "passport"
)

// DocumentTypes returns the documents that a nationality (ISO 3166-1 alpha-3) may use. Residents of
// mainland China use their resident ID card and nothing else.
func DocumentTypes(nationality string) []string {
	if nationality == "CHN" {
		return []string{CNResidentID}
	}
	return []string{Passport}
}

// levels is how many levels a case has; offered are those with something to do in this build.
const levels = 3

func offered(level int) bool { return level == 1 || level == 2 }

// stepsFor returns the steps of a case whose document has this type ("" while unknown).
func stepsFor(documentType string) []Step {
	photo := func(id string) Step {
		return Step{ID: id, Level: 2, Kind: "photo", State: Todo, Channels: []string{"desk", "phone"}}
	}
	if documentType == Passport {
		return []Step{photo(DocumentPage)}
	}
	return []Step{photo(DocumentFront), photo(DocumentBack)}
}

// Limits of evidence.
const (
	maxPhotoBytes   = 12 << 20
	maxOpenTakes    = 3                // of one step
	maxTakes        = 8                // of one step, kept or not
	dailyBudget     = 300_000_000      // bytes a case may receive on one UTC day
	keepEnded       = 8                // handoffs whose end is remembered
	takeLife        = 24 * time.Hour   // of a take that is not accepted
	jobLease        = time.Minute      // longer than any check takes
	maxJobAttempts  = 5                // then a person looks
	jobRetryAfter   = 10 * time.Second // times the number of attempts
	maxReplaceTries = 40               // of a change that somebody else's change got ahead of
)

// UnfinishedFor is how long a take that nobody kept stays.
const UnfinishedFor = takeLife

// limitsOf returns what a take of this step may be.
func limitsOf(Step) Limits {
	return Limits{MaxBytes: maxPhotoBytes, Filetypes: []string{"image/jpeg", "image/png"}}
}
