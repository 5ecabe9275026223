import { sessionCookieName } from '../../http/credentials.ts'

interface CookieOptions {
  /** Host header of the request. */
  host: string | undefined
  /** True if browsers reach the server over HTTPS. */
  isSecure: boolean
}

const attributes = ({ isSecure }: CookieOptions): string =>
  `; Path=/; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`

/** Set-Cookie value for the cookie half of a session. */
export const sessionCookieText = (value: string, seconds: number, options: CookieOptions): string =>
  `${sessionCookieName(options.host)}=${value}; Max-Age=${seconds}${attributes(options)}`

/** Set-Cookie value that removes it. */
export const noSessionCookieText = (options: CookieOptions): string =>
  `${sessionCookieName(options.host)}=; Max-Age=0${attributes(options)}`
