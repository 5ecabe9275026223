import { randomBytes } from 'node:crypto'
import { AppError } from '../../lib/errors.ts'
import type { CheckScript, ScriptLanguage } from '../../model/scripts/script-run.ts'
import type { SandboxLimits, SandboxProvider } from '../isolation/sandbox.ts'
import { baseEnvironment } from '../runbooks/environment.ts'
import { languages } from './languages.ts'
import { requireIsolation } from './run-script.ts'

interface CheckDeps {
  provider: Pick<SandboxProvider, 'name' | 'create'>
  limits: SandboxLimits
}

const longestMs = 30_000

/** Starts the interpreter of a language in a sandbox. */
const tryLanguage = async ({ provider, limits }: CheckDeps, language: ScriptLanguage): Promise<void> => {
  const { probe, remedy } = languages[language]
  const sandbox = await provider.create({ id: `try-${process.pid}-${randomBytes(4).toString('hex')}`, limits })
  try {
    const { reason, code } = await sandbox.run({
      argv: probe(sandbox.places),
      env: baseEnvironment(sandbox.places.home),
      cwd: sandbox.places.app,
      network: 'none',
      wallMs: longestMs,
      signal: new AbortController().signal,
      onOutput() {},
    })
    if (reason === 'exit' && code === 0) return
    throw new AppError('sandbox_unavailable', `There is no ${language} in the sandboxes of this server`, {
      hint: remedy,
    })
  } finally {
    await sandbox.destroy()
  }
}

/** Makes the check before a run. A success is remembered; a failure is looked at again, as it may be mended meanwhile. */
export const makeCheckScript = (deps: CheckDeps): CheckScript => {
  const tried = new Map<ScriptLanguage, Promise<void>>()
  return async ({ language = 'shell' }) => {
    requireIsolation(deps.provider)
    const trying = tried.get(language) ?? tryLanguage(deps, language)
    tried.set(language, trying)
    await trying.catch((error) => {
      tried.delete(language)
      throw error
    })
  }
}
