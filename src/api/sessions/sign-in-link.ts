import { hashToken } from '../../lib/secrets/crypto.ts'
import { hashWithToken, newSessionSecret } from '../../lib/secrets/session-secrets.ts'
import { now } from '../../lib/time.ts'
import { createSignInCode } from '../../store/collections/sessions.ts'
import type { Database } from '../../store/database/database.ts'

/** Lifetime of a sign-in link. */
const goodForMs = 10 * 60_000

/**
 * Makes a link that signs a browser in once. The code is the fragment of the URL, which browsers send to no server, so no
 * log has it.
 */
export const makeSignInLink = async (
  deps: { database: Database; adminToken: string },
  link: { keyId: number | null; baseUrl: string },
): Promise<{ url: string; expiresAt: Date }> => {
  const code = newSessionSecret('code')
  const expiresAt = new Date(now() + goodForMs)
  const hash = link.keyId === null ? hashWithToken(code, deps.adminToken) : hashToken(code)
  await createSignInCode(deps.database, { hash, keyId: link.keyId, expiresAt })
  return { url: `${link.baseUrl}/sign-in#once=${code}`, expiresAt }
}
