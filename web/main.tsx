import './style.css'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { createRoot } from 'react-dom/client'
import { isServed, watchServerAway } from './data/server-away.ts'
import { applyTheme } from './data/theme.ts'
import { router } from './router.tsx'

/** Places that may take the focus of what has gone from them. */
const places = 'dialog[open], [role=dialog], [role=region], section[aria-label], main, #page'

/**
 * Keeps the focus near its place when the focused element goes, such as a button that has done its work: to the closest part of
 * the page around it. Left to itself the browser moves it to the body, and a person with a keyboard begins anew at the top.
 */
const keepFocus = (page: Document): void => {
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

/** The cache of answers. The client of the API already repeats reads that a busy server refused. */
const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      networkMode: 'always',
      retry: false,
      refetchOnWindowFocus: false,
      refetchOnReconnect: false,
      staleTime: 5_000,
    },
    mutations: { networkMode: 'always' },
  },
})

watchServerAway((away) => {
  if (away) return
  // Lists of runs follow a stream that goes on where it was; to ask for all their pages again would cost a lot.
  void queryClient.invalidateQueries({
    predicate: ({ queryKey, state }) => queryKey[0] !== 'runs' || state.error !== null,
  })
})

applyTheme()
keepFocus(document)

/**
 * After an upgrade of the server its old files are gone at some time: a tab that asks for one loads the page anew, once. While
 * the server is away the page stays: it goes on by itself later, and may hold what somebody has typed.
 */
window.addEventListener('vite:preloadError', async () => {
  const last = Number(sessionStorage.getItem('jetty.reloaded') ?? 0)
  if (Date.now() - last < 60_000 || !(await isServed())) return
  sessionStorage.setItem('jetty.reloaded', String(Date.now()))
  location.reload()
})

const place = document.getElementById('root')
if (!place) throw new Error('index.html has no element with the id root')
createRoot(place).render(
  <QueryClientProvider client={queryClient}>
    <RouterProvider router={router} />
  </QueryClientProvider>,
)
