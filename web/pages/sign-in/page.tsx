import { useNavigate, useSearch } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { useTitle } from '../../data/browser.ts'
import { pathAfter, signIn } from '../../data/sign-in.ts'
import { errorText } from '../../parts/problem.tsx'
import { SignInForm } from '../../parts/sign-in-form.tsx'
import { CopyLine } from '../../ui/copy.tsx'

const codeInAddress = (): string | undefined => /^#once=(.+)$/.exec(location.hash)?.[1]

export const SignInPage = () => {
  const { next } = useSearch({ from: '/sign-in' })
  const navigate = useNavigate()
  const [code] = useState(codeInAddress)
  const isSent = useRef(false) // a code is good once
  const [problem, setProblem] = useState<string>()
  useTitle('Sign in')
  const done = () => navigate({ href: pathAfter(next), replace: true })
  useEffect(() => {
    if (code === undefined || isSent.current) return
    isSent.current = true
    // Neither the history nor a copied address keeps the code.
    history.replaceState(history.state, '', location.pathname + location.search)
    signIn({ code })
      .then(() => navigate({ href: pathAfter(next), replace: true }))
      .catch((error) => setProblem(errorText(error)))
  }, [code, navigate, next])

  return (
    <main className="mx-auto flex min-h-full max-w-96 flex-col justify-center gap-6 p-6">
      <div>
        <h1 className="font-semibold text-20">Sign in to Jetty</h1>
        <p className="mt-1 text-muted">This browser keeps a session, not the key.</p>
      </div>
      {code !== undefined && problem === undefined ? (
        <p aria-live="polite">Signing in with the link…</p>
      ) : (
        <SignInForm onDone={done} problem={problem} />
      )}
      <details className="text-12 text-muted">
        <summary>Where do I find a key?</summary>
        <div className="mt-2 flex flex-col gap-2">
          <p>On the machine of the server, or wherever the command line has a key, this opens a signed-in page:</p>
          <CopyLine text="jetty sign-in --open" />
          <p>The first start of a server saves a key for its examples:</p>
          <CopyLine text="cat ~/.config/jetty/token" />
          <p>Whoever has a key for a collection can make another one:</p>
          <CopyLine text="jetty keys create my-collection --name me" />
        </div>
      </details>
    </main>
  )
}
