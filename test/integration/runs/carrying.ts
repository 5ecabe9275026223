// Carries runbooks out without a sandbox: what engine and API make of it is the same.
import { AppError } from '../../../src/lib/errors.ts'
import type { FileSource } from '../../../src/model/file-source.ts'
import type { RunbookPreflight, RunbookRequest } from '../../../src/model/runbooks/runbook-request.ts'
import type { NewAgentEvent, RunbookHost, RunbookOutcome } from '../../../src/model/runbooks/runbook-run.ts'
import type { RunbookRunner } from '../../../src/server/lazy-runbook-runner.ts'
import { succeeded } from '../../fakes/runbooks.ts'

/** What a runbook does here, in the place of an agent. */
export type Doing = (request: RunbookRequest, host: RunbookHost) => Promise<Partial<RunbookOutcome> | undefined>

export const textFile = (name: string, text: string): FileSource => ({
  name,
  content_type: 'text/plain',
  size: Buffer.byteLength(text),
  async *open() {
    yield Buffer.from(text)
  },
})

/** Resolves when the runbook is to end. */
export const untilAborted = ({ signal }: RunbookHost): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })

export const failing = (reason: NonNullable<RunbookOutcome['failure']>['reason'], message = `it is ${reason}`) => ({
  failure: { reason, message },
})

/** What was carried out, and how; `does` is what comes of the first line of a runbook. */
export const makeRunner = (does: Record<string, Doing>) => {
  const hosts: RunbookHost[] = []
  const requests: RunbookRequest[] = []
  const looks: { request: RunbookRequest; secretParams: readonly string[] }[] = []
  const runner: RunbookRunner = {
    async carryOut(request, host) {
      hosts.push(host)
      requests.push(request)
      const doing = does[request.instruction.split('\n')[0] ?? '']
      if (!doing) throw new AppError('invalid', 'no such runbook in this test')
      return { ...succeeded, ...(await doing(request, host)) }
    },
    async preflight(request, place): Promise<RunbookPreflight> {
      looks.push({ request, secretParams: place.secretParams })
      const agent = request.agent ?? 'scripted'
      const isKnown = agent === 'scripted'
      const missing: string[] = []
      for (const path of request.files ?? []) if (!(await place.hasFile(path))) missing.push(path)
      const check = (name: string, isOk: boolean, found: string) =>
        ({ name, state: isOk ? 'ok' : 'failed', found, fix: isOk ? null : 'Do it.', field: name }) as const
      const checks = [
        check('agent', isKnown, isKnown ? agent : `There is no agent '${agent}'`),
        check('files', missing.length === 0, `missing: ${missing.join(', ')}`),
      ]
      return {
        ready: checks.every(({ state }) => state === 'ok'),
        checks,
        agent,
        model: 'scripted',
        model_provider: null,
        snapshot: null,
        image: null,
        missing_variables: [],
        missing_secrets: [],
      }
    },
    reap: async () => 0,
    close: async () => {},
  }
  return { runner, hosts, requests, looks }
}

export const says = (text: string): NewAgentEvent => ({ type: 'message', role: 'assistant', text })
