import { type FormEvent, useState } from 'react'
import { AppError } from '../../src/lib/errors.ts'
import { signIn } from '../data/sign-in.ts'
import { Button } from '../ui/button.tsx'
import { TextField } from '../ui/field.tsx'
import { errorText } from './problem.tsx'

const refusal = (error: unknown): string =>
  error instanceof AppError && error.code === 'network_failed'
    ? 'The server does not answer. Start it with `jetty serve`, then try again.'
    : errorText(error)

/** Signs in by a key. `problem` stands below the field until the next attempt. */
export const SignInForm = ({ onDone, problem }: { onDone: () => void; problem?: string | undefined }) => {
  const [key, setKey] = useState('')
  const [error, setError] = useState<string>()
  const [isBusy, setBusy] = useState(false)
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    const token = key.trim()
    if (token === '') return setError('Paste a key; it begins with mlc_.')
    setBusy(true)
    setError(undefined)
    try {
      await signIn({ token })
      onDone()
    } catch (thrown) {
      setError(refusal(thrown))
    } finally {
      setBusy(false)
    }
  }
  return (
    <form onSubmit={submit} className="flex flex-col gap-3">
      <TextField
        label="Key"
        type="password"
        autoComplete="current-password"
        autoFocus
        isCode
        value={key}
        onChange={(event) => setKey(event.target.value)}
        error={error ?? problem}
        placeholder="mlc_…"
      />
      <Button type="submit" look="main" disabled={isBusy}>
        {isBusy ? 'Signing in…' : 'Sign in'}
      </Button>
    </form>
  )
}
