/** Places that may take the focus of what has gone from them. */
const places = 'dialog[open], [role=dialog], [role=region], section[aria-label], main, #page'

/**
 * Keeps the focus near its place when the focused element goes, such as a button that has done its work: to the closest part of
 * the page around it. Left to itself the browser moves it to the body, and a person with a keyboard begins anew at the top.
 */
export const keepFocus = (page: Document): void => {
  /** The element that has the focus, and all around it: an element that is gone no longer knows that. */
  let chain: Element[] = []
  page.addEventListener('focusin', ({ target }) => {
    chain = []
    for (let one = target as Element | null; one; one = one.parentElement) chain.push(one)
  })
  new MutationObserver(() => {
    const [focused] = chain
    if (!focused || focused.isConnected || page.activeElement !== page.body) return
    const left = chain.find((one) => one.isConnected)
    const place = left?.closest<HTMLElement>(places) ?? page.querySelector<HTMLElement>('main, #page')
    if (!place) return
    if (!place.hasAttribute('tabindex')) place.tabIndex = -1
    place.focus({ preventScroll: true })
  }).observe(page.body, { childList: true, subtree: true })
}
