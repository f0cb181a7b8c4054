package server

import (
	"time"

	"github.com/symbolon/symbolon/sessions"
)

// The limits of the door. By network means by /32 of IPv4 or /56 of IPv6.
var (
	signUps        = sessions.Limit{Name: "sign_up", N: 10, Window: time.Hour}              // by network
	signInsFrom    = sessions.Limit{Name: "sign_in_from", N: 60, Window: 10 * time.Minute}  // by network
	signInsTo      = sessions.Limit{Name: "sign_in_to", N: 10, Window: 10 * time.Minute}    // by e-mail address
	confirmations  = sessions.Limit{Name: "confirm", N: 10, Window: 10 * time.Minute}       // by account
	lettersFrom    = sessions.Limit{Name: "letters_from", N: 20, Window: time.Hour}         // by network
	lettersTo      = sessions.Limit{Name: "letters_to", N: 3, Window: time.Hour}            // by e-mail address
	confirmLetters = sessions.Limit{Name: "confirm_letters", N: 5, Window: time.Hour}       // by account
	linksUsed      = sessions.Limit{Name: "links", N: 60, Window: 10 * time.Minute}         // by network
	downloads      = sessions.Limit{Name: "download", N: 5, Window: 10 * time.Minute}       // by account
	secondFactors  = sessions.Limit{Name: "second_factor", N: 10, Window: 10 * time.Minute} // by account
	reveals        = sessions.Limit{Name: "reveal", N: 300, Window: time.Hour}              // by account
	factorsOnce    = sessions.Limit{Name: "second_factor_once", N: 1, Window: time.Hour}    // by challenge
	newCases       = sessions.Limit{Name: "new_case", N: 20, Window: time.Hour}             // by account
	offers         = sessions.Limit{Name: "offer", N: 20, Window: time.Hour}                // by case
	wrongCodes     = sessions.Limit{Name: "wrong_code", N: 20, Window: time.Minute}         // by network; known codes do not count
)
