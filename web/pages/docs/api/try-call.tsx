import { useState } from 'react'
import { apiCall } from '../../../data/api.ts'
import { useSessionState } from '../../../data/session.ts'
import { Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { TextField } from '../../../ui/field.tsx'
import { readAnswer, type ShownAnswer } from './read-answer.ts'
import type { FilledCall } from './snippets.ts'

/** Makes a call with the session of this browser, or with a key that stays in this page. */
const send = async (call: FilledCall, key: string): Promise<ShownAnswer> => {
  const query = Object.fromEntries(Object.entries(call.query).filter(([, value]) => value !== ''))
  const answer = await apiCall(call.name, {
    params: call.params,
    query,
    ...(call.bodyText !== undefined && { body: JSON.parse(call.bodyText), bodyText: call.bodyText }),
    ...(key !== '' && { headers: { authorization: `Bearer ${key}` } }),
    asResponse: true,
  })
  return readAnswer(answer as Response)
}

/** Names of path parameters that are still empty. */
const missing = ({ path, params }: FilledCall): string[] =>
  [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '').filter((name) => !params[name])

/** Tries a call in place and shows its answer. */
export const TryCall = ({ call }: { call: FilledCall }) => {
  const hasSession = useSessionState() === 'open'
  const [key, setKey] = useState('')
  const [isSending, setSending] = useState(false)
  const [answer, setAnswer] = useState<ShownAnswer>()
  const [error, setError] = useState<unknown>()
  const open = missing(call)
  const submit = async () => {
    setSending(true)
    setError(undefined)
    try {
      setAnswer(await send(call, hasSession ? '' : key))
    } catch (thrown) {
      setAnswer(undefined)
      setError(thrown)
    }
    setSending(false)
  }
  return (
    <form
      className="flex flex-col gap-2"
      onSubmit={(event) => {
        event.preventDefault()
        void submit()
      }}
    >
      {call.needsToken && !hasSession && (
        <TextField
          label="API key"
          type="password"
          autoComplete="new-password"
          hint="It stays in this page and is sent to this server only. Signed in, you need none."
          value={key}
          onChange={(event) => setKey(event.target.value)}
        />
      )}
      <div className="flex items-center gap-3">
        <Button type="submit" look={call.method === 'GET' ? 'main' : 'bad'} disabled={isSending || open.length > 0}>
          {call.method === 'GET' ? 'Try it' : `Send this ${call.method}`}
        </Button>
        {open.length > 0 && <span className="text-12 text-muted">Fill in {open.join(', ')} first.</span>}
        {call.method !== 'GET' && open.length === 0 && (
          <span className="text-12 text-muted">This is no rehearsal: it changes the server.</span>
        )}
      </div>
      <div aria-live="polite">
        {error !== undefined && <Problem error={error} />}
        {answer && (
          <>
            <p className="text-12 text-muted">
              {answer.status} {answer.type}
            </p>
            <pre
              // biome-ignore lint/a11y/noNoninteractiveTabindex: a long answer scrolls, also with the keyboard
              tabIndex={0}
              className="max-h-96 overflow-auto rounded-m border border-line bg-sunk p-2 font-mono text-12"
            >
              {answer.text}
            </pre>
          </>
        )}
      </div>
    </form>
  )
}
