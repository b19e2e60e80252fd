package menu

// The codes of the refusals are part of the HTTP interface: never change one.
const (
	CodeProductNotFound  = "product/not-found"
	CodeInvalidProduct   = "product/invalid"
	CodeCategoryNotFound = "category/not-found"
	CodeInvalidCategory  = "category/invalid"
	CodeNotReached       = "menu/version-not-reached" // the row is older than the reader requires
)
