import { send } from './walk/ask.ts'

/** A browser that has signed in: its two halves, and requests with them. */
export interface BrowserSession {
  /** `name=value` of the cookie. */
  cookie: string
  /** Value of X-Jetty-Session. */
  half: string
  expiresAt: string
  identity: Record<string, unknown>
  /** Headers of a request by a page of the server. */
  headers: Record<string, string>
}

/** Signs in as a browser does that shows a page of the server. */
export const signIn = async (url: string, by: { token: string } | { code: string }): Promise<BrowserSession> => {
  const port = Number(new URL(url).port)
  const ask = { path: '/api/v1/session', body: by }
  const answer = await send(port, 'POST', ask, { 'sec-fetch-site': 'same-origin', 'user-agent': 'a browser' })
  if (answer.status !== 200) throw new Error(`not signed in: ${answer.status} ${answer.text}`)
  const [cookie = ''] = String(answer.headers['set-cookie']).split(';')
  const { session: half, expires_at: expiresAt, identity } = JSON.parse(answer.text)
  const headers = { cookie, 'x-jetty-session': half, 'sec-fetch-site': 'same-origin' }
  return { cookie, half, expiresAt, identity, headers }
}
