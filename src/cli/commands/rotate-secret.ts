import pc from 'picocolors'
import { pause } from '../../lib/time.ts'
import { exitCodes } from '../exit.ts'
import type { Session } from '../session.ts'
import { safe } from '../show/output.ts'
import { makeProgressLine } from '../show/progress-line.ts'

const lookAgainMs = 500

/** `jetty keys rotate-secret`: starts the rotation of the encryption key and waits for its end. */
export const rotateSecret = async ({ client, out, signal }: Session): Promise<void> => {
  let status = await client.rotateSecretKey()
  if (status.state === 'running') {
    out.note('The server encrypts everything with its newest key; this takes half a minute or more.')
    out.note(pc.dim('Ctrl-C stops watching, not the work.'))
  }
  const line = out.isJson
    ? undefined
    : makeProgressLine(() => `${status.resealed} of ${status.total} encrypted with the newest key`)
  try {
    while (status.state === 'running' && (await pause(lookAgainMs, signal)))
      status = await client.getSecretKeyRotation()
  } finally {
    line?.stop()
  }
  signal.throwIfAborted()
  if (status.state === 'failed') {
    if (status.error) out.note(`${pc.red('error:')} ${safe(status.error)}`)
    process.exitCode = exitCodes.serverFailed
  } else out.note(`${status.resealed} of ${status.total} encrypted with key ${status.current_key_id}`)
  out.answer(status, () => safe(status.next_step))
}
