package checks

import (
	"errors"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Holding says that a holder owns a share of a company. Both are the ids of parties.
type Holding struct {
	Holder, In string
	Share      *big.Rat // of the whole, above 0 and at most 1
}

// Owner is what a natural person finally owns of a company.
type Owner struct {
	Party string
	// Share is the economic view: shares multiplied along each chain of companies and added over all chains.
	Share *big.Rat
	// Control is the view of votes: who has more than half of a company directs the whole of what it holds.
	Control *big.Rat
}

// Errors of a structure of holdings. OwnershipError says in which company.
var (
	ErrSharesOverWhole = errors.New("checks: the shares of a company add up to more than the whole")
	ErrClosedCircle    = errors.New("checks: companies own each other wholly, so that nobody does")
)

// OwnershipError names the company whose shares are wrong.
type OwnershipError struct {
	Company string
	Err     error
}

func (e *OwnershipError) Error() string { return e.Err.Error() }

// Unwrap returns the kind of error.
func (e *OwnershipError) Unwrap() error { return e.Err }

var shareForm = regexp.MustCompile(`^([0-9]{1,9})(\.[0-9]{1,9})?%$|^([0-9]{1,9})/([0-9]{1,9})$`)

// ParseShare reads a share as it is typed: "27%", "33.4%" or a fraction such as "1/3". It is above 0
// and at most the whole.
func ParseShare(s string) (*big.Rat, bool) {
	s = strings.Join(strings.Fields(norm.NFKC.String(s)), "")
	if !shareForm.MatchString(s) {
		return nil, false
	}
	r, ok := new(big.Rat), true
	if p, percent := strings.CutSuffix(s, "%"); percent {
		if r, ok = r.SetString(p); ok {
			r.Quo(r, big.NewRat(100, 1))
		}
	} else {
		r, ok = r.SetString(s)
	}
	if !ok || r.Sign() <= 0 || r.Cmp(big.NewRat(1, 1)) > 0 {
		return nil, false
	}
	return r, true
}

// Owners returns what each natural person finally owns of a company, the largest share first, and how much of
// the company no person among the parties accounts for. Companies may hold each other in circles. The
// arithmetic is exact. The error is an *OwnershipError.
func Owners(company string, holdings []Holding, isPerson func(party string) bool) (owners []Owner, unexplained *big.Rat, err error) {
	companies := reach(company, holdings, isPerson)
	for _, c := range companies {
		sum := new(big.Rat)
		for _, h := range holdings {
			if h.In == c {
				sum.Add(sum, h.Share)
			}
		}
		if sum.Cmp(big.NewRat(1, 1)) > 0 {
			return nil, nil, &OwnershipError{c, ErrSharesOverWhole}
		}
	}
	through, err := shareThrough(companies, holdings)
	if err != nil {
		return nil, nil, err
	}
	shares := map[string]*big.Rat{}
	for _, h := range holdings {
		if part, ok := through[h.In]; ok && isPerson(h.Holder) {
			if shares[h.Holder] == nil {
				shares[h.Holder] = new(big.Rat)
			}
			shares[h.Holder].Add(shares[h.Holder], new(big.Rat).Mul(h.Share, part))
		}
	}
	unexplained = big.NewRat(1, 1)
	for p, share := range shares {
		unexplained.Sub(unexplained, share)
		owners = append(owners, Owner{p, share, control(p, company, companies, holdings)})
	}
	slices.SortFunc(owners, func(a, b Owner) int {
		if c := b.Share.Cmp(a.Share); c != 0 {
			return c
		}
		return strings.Compare(a.Party, b.Party)
	})
	return owners, unexplained, nil
}

// reach lists the company and all companies above it.
func reach(company string, holdings []Holding, isPerson func(string) bool) []string {
	found := []string{company}
	for i := 0; i < len(found); i++ {
		for _, h := range holdings {
			if h.In == found[i] && !isPerson(h.Holder) && !slices.Contains(found, h.Holder) {
				found = append(found, h.Holder)
			}
		}
	}
	return found
}

// shareThrough returns how much of the first company is held through each of the companies: the
// solution of x[first] = 1 + …, x[c] = Σ share(c in d)·x[d], which chains with circles have too. It
// is found by elimination over exact fractions.
func shareThrough(companies []string, holdings []Holding) (map[string]*big.Rat, error) {
	n := len(companies)
	m := make([][]*big.Rat, n) // (I − A | e)
	for i := range m {
		m[i] = make([]*big.Rat, n+1)
		for j := range m[i] {
			m[i][j] = new(big.Rat)
		}
		m[i][i].SetInt64(1)
	}
	m[0][n].SetInt64(1)
	for _, h := range holdings {
		i, j := slices.Index(companies, h.Holder), slices.Index(companies, h.In)
		if i >= 0 && j >= 0 {
			m[i][j].Sub(m[i][j], h.Share)
		}
	}
	for col := range n {
		pivot := col
		for pivot < n && m[pivot][col].Sign() == 0 {
			pivot++
		}
		if pivot == n {
			return nil, &OwnershipError{companies[col], ErrClosedCircle}
		}
		m[col], m[pivot] = m[pivot], m[col]
		inv := new(big.Rat).Inv(m[col][col])
		for j := col; j <= n; j++ {
			m[col][j].Mul(m[col][j], inv)
		}
		for i := range n {
			if i == col || m[i][col].Sign() == 0 {
				continue
			}
			by := new(big.Rat).Set(m[i][col])
			for j := col; j <= n; j++ {
				m[i][j].Sub(m[i][j], new(big.Rat).Mul(by, m[col][j]))
			}
		}
	}
	out := map[string]*big.Rat{}
	for i, c := range companies {
		out[c] = m[i][n]
	}
	return out, nil
}

// control returns the share of the company that a person directs: their own and that of every
// company of which they direct more than half.
func control(person, company string, companies []string, holdings []Holding) *big.Rat {
	directed := func(in string, by []string) *big.Rat {
		sum := new(big.Rat)
		for _, h := range holdings {
			if h.In == in && slices.Contains(by, h.Holder) {
				sum.Add(sum, h.Share)
			}
		}
		return sum
	}
	by := []string{person}
	for grown := true; grown; {
		grown = false
		for _, c := range companies {
			if c != company && !slices.Contains(by, c) && directed(c, by).Cmp(big.NewRat(1, 2)) > 0 {
				by, grown = append(by, c), true
			}
		}
	}
	return directed(company, by)
}
