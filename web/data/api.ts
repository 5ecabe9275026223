import operations from 'virtual:operations'
import { makeCaller } from '../../src/client/caller.ts'
import { type Caller, type Client, makeClient } from '../../src/client/client.ts'
import { AppError } from '../../src/lib/errors.ts'
import { noteAnswer, noteSilence } from './server-away.ts'
import { noteRefused, sessionHalf } from './session.ts'

/** Sends the session with each call, and notes what an answer says about the session and the server. */
const inSession =
  (call: Caller): Caller =>
  async (name, input = {}) => {
    const half = sessionHalf()
    const headers = { ...input.headers, ...(half === undefined ? {} : { 'x-jetty-session': half }) }
    try {
      const answer = await call(name, { ...input, headers })
      noteAnswer()
      return answer
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      if (error.code === 'network_failed') noteSilence()
      if (error.code === 'unauthenticated') noteRefused(half)
      throw error
    }
  }

let tellWarning = (_: string): void => {}

/** Sets what shows the warnings of an answer, such as a parameter that the task does not have. */
export const onWarning = (tell: (text: string) => void): void => {
  tellWarning = tell
}

/**
 * Calls an operation of the server that this page came from, where text or headers of the answer matter. There is no
 * token: a session stands for it.
 */
export const apiCall: Caller = inSession(
  makeCaller(operations, { url: '', token: undefined, onWarning: (text) => tellWarning(text) }),
)

/** The same as typed functions. */
export const api: Client = makeClient(operations, apiCall)
