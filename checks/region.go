package checks

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// Warning is what deserves a second look about a number that is right in itself. Its text is a stable code.
type Warning string

// Warnings about the region of a resident identity number.
const (
	// RegionUnknown: its province exists, but no list that is known here names the region. Lists change every year, so
	// the number can be right all the same.
	RegionUnknown Warning = "region_unknown"
	// RegionAbandoned: it once was a region's. Who got a number keeps it, so this is common and no fault.
	RegionAbandoned Warning = "region_abandoned"
)

// Region is what the lists of GB/T 2260 say of the six digits that a resident identity number begins with.
type Region struct {
	Warning Warning // "" for a region of the latest list
	// AbandonedBy is the year of the first list without the region, with RegionAbandoned: it was given up in that year
	// or since the list before. 2002 also stands for earlier.
	AbandonedBy int
}

// RegionOf looks up six digits. What are no six digits, and what no province begins with, is RegionUnknown.
func RegionOf(code string) Region {
	year, ok := regions()[code]
	switch {
	case !ok:
		return Region{Warning: RegionUnknown}
	case year != 0:
		return Region{Warning: RegionAbandoned, AbandonedBy: int(year)}
	}
	return Region{}
}

// regionTable has a line for each prefecture, such as "1101 01 03-2010": the region 110101 is in the latest list, of
// July 2016, and 110103 in none since 2010. scripts/regions.mjs makes it.
//
//go:embed regions.txt
var regionTable string

// regions is the year by which each region was abandoned, 0 for one of the latest list.
var regions = sync.OnceValue(func() map[string]uint16 {
	out := make(map[string]uint16, strings.Count(regionTable, " "))
	for line := range strings.Lines(regionTable) {
		words := strings.Fields(line)
		for _, w := range words[1:] {
			county, by, abandoned := strings.Cut(w, "-")
			year := uint64(0)
			if abandoned {
				var err error
				if year, err = strconv.ParseUint(by, 10, 16); err != nil {
					panic(fmt.Sprintf("checks: regions.txt: %q: %v", line, err))
				}
			}
			out[words[0]+county] = uint16(year)
		}
	}
	return out
})
