import './style.css'
import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { createRoot } from 'react-dom/client'
import { queryClient } from './data/query-client.ts'
import { isServed } from './data/server-away.ts'
import { applyTheme } from './data/theme.ts'
import { router } from './router.tsx'
import { keepFocus } from './ui/keep-focus.ts'

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
