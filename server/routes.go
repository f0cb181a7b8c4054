package server

// routes is every address of this server on one page.
func (s *Server) routes() {
	// What every request passes, in this order. logged answers what fails below it.
	s.app.Use(s.logged, s.headers, s.knownHost, s.guard, s.timed)

	s.app.Get("/healthz", s.healthz)
	s.app.Get("/readyz", s.readyz)
	s.docsRoutes(s.app) // /openapi.yaml, /docs, /trust

	v1 := s.app.Group("/v1")
	v1.Get("/operator", s.operator)
	v1.Get("/reasons", s.reasons)
	v1.Post("/diagnose", s.measureRate)

	// accounts.go
	v1.Post("/accounts", s.signUp)
	v1.Post("/session", s.signIn)
	v1.Delete("/session", s.signOut)
	v1.Post("/session/confirm", s.confirm)
	v1.Post("/tokens", s.createToken)
	v1.Delete("/tokens/current", s.deleteToken)
	v1.Get("/me", s.me)

	// letters.go
	v1.Post("/me/confirmation", s.askConfirmation)
	v1.Post("/email/confirm", s.confirmEmail)
	v1.Post("/password/forgot", s.forgotPassword)
	v1.Post("/password/reset", s.resetPassword)

	// cases.go
	v1.Post("/cases", s.createCase)
	v1.Get("/cases/:id", s.getCase)
	v1.Get("/cases/:id/events", s.events)
	v1.Get("/cases/:id/identity", s.getIdentity)
	v1.Put("/cases/:id/identity", s.putIdentity)
	v1.Put("/cases/:id/identity/draft", s.putDraft)
	v1.Post("/cases/:id/levels/:n/submit", s.submitLevel)
	v1.Post("/cases/:id/levels/:n/reopen", s.reopenLevel)
	v1.Get("/cases/:id/steps/:step/script", s.previewScript)
	v1.Post("/cases/:id/steps/:step/accept", s.acceptTake)

	// evidence.go
	v1.Post("/cases/:id/steps/:step/challenge", s.issueChallenge)
	v1.Post("/cases/:id/steps/:step/evidence", s.faceEvidence)

	// consents.go
	v1.Get("/cases/:id/consents", s.consents)
	v1.Put("/cases/:id/consents/:consent", s.answerConsent)

	// mydata.go
	v1.Get("/cases/:id/data", s.myData)
	v1.Get("/cases/:id/data.zip", s.downloadData)
	v1.Post("/cases/:id/erasure", s.requestErasure)
	v1.Post("/cases/:id/objection", s.object)

	// handoffs.go, at the desk and on the phone
	v1.Post("/cases/:id/handoffs", s.offer)
	v1.Post("/handoffs/open", s.openCode)
	v1.Post("/handoffs/claim", s.claim)
	v1.Get("/handoffs/:id", s.getHandoff)
	v1.Get("/handoffs/:id/qr.png", s.qrPNG)
	v1.Get("/handoffs/:id/qr.svg", s.qrSVG)
	v1.Post("/handoffs/:id/deny", s.denyAtDesk)
	v1.Post("/handoffs/:id/cancel", s.cancelHandoff)

	// capture.go: what a phone that claimed may call
	v1.Get("/capture", s.capture)
	v1.Post("/capture/match", s.match)
	v1.Post("/capture/deny", s.denyAtPhone)
	v1.Post("/capture/submit", s.submitCapture)

	// alipay.go
	v1.Post("/capture/alipay", s.captureAlipay)
	s.app.Get(alipayReturn, s.alipayReturned)

	// uploads.go (tus 1.0.0), playback.go
	v1.Options("/uploads", tusOptions)
	v1.Options("/uploads/:id", tusOptions)
	v1.Post("/uploads", tus, s.createUpload)
	v1.Head("/uploads/:id", tus, s.uploadOffset)
	v1.Get("/uploads/:id", s.getUpload)
	v1.Patch("/uploads/:id", tus, s.appendUpload)
	v1.Delete("/uploads/:id", tus, s.endUpload)
	v1.Post("/uploads/:id", tus, s.overriddenUpload)
	v1.Get("/media/:id", s.getMedia)

	// socket.go, progress.go
	v1.Get("/cases/:id/live", s.watchCase)
	v1.Get("/capture/live", s.watchCapture)
	v1.Post("/cases/:id/steps/:step/progress", s.showProgress)

	// secondfactor.go
	v1.Post("/session/second-factor", s.secondFactor)
	v1.Post("/session/second-factor/enrol", s.enrolFactor)

	// review.go, figures.go: for people who work here
	review := v1.Group("/review")
	review.Get("/cases", s.reviewQueue)
	review.Get("/live", s.watchQueue)
	review.Get("/reasons", s.reviewReasons)
	review.Get("/cases/:id", s.reviewCase)
	review.Post("/cases/:id/claim", s.claimCase)
	review.Delete("/cases/:id/claim", s.handBackCase)
	review.Post("/cases/:id/reveal", s.revealFields)
	review.Post("/cases/:id/escalate", s.escalateCase)
	review.Post("/cases/:id/suspend", s.suspendCase)
	review.Post("/cases/:id/release", s.releaseCase)
	review.Post("/cases/:id/decisions", s.decideCase)
	review.Get("/cases/:id/bundle", s.bundleCase)
	review.Get("/figures", s.figures)
	review.Get("/figures.csv", s.figuresCSV)

	// staff.go: for admins
	review.Get("/staff", s.listStaff)
	review.Post("/staff", s.createStaff)
	review.Patch("/staff/:id", s.changeStaff)
	review.Delete("/staff/:id/second-factor", s.forgetFactors)

	s.pageRoutes(s.app) // /, /h, /diagnose, /sw.js, /assets/…
}
