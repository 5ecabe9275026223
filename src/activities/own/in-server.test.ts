import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { makeTestContext, runActivity } from '../../../test/activity-context.ts'
import { activity, type ServerContext } from './declare.ts'
import { inServer } from './in-server.ts'

const base = {
  name: 'mail.send',
  description: 'Sends a mail.',
  parameters: z.object({ to: z.string().describe('Address.') }),
  outputs: z.object({ sent: z.boolean().describe('Whether it was sent.') }),
}

describe('an activity that is not idempotent', () => {
  const once = inServer(activity({ ...base, idempotent: false, run: async () => ({ sent: true }) }), 'mail.mjs')

  it('records its start first', async () => {
    const begun: string[] = []
    const context = { ...makeTestContext(), recordStart: async () => void begun.push('start') }
    expect(await runActivity(once, { to: 'a' }, context)).toEqual({ sent: true })
    expect(begun).toEqual(['start'])
  })

  it('fails after an attempt that was cut off', async () => {
    const context = makeTestContext({ interrupted: true })
    await expect(runActivity(once, { to: 'a' }, context)).rejects.toThrow('An earlier attempt of mail.send was cut off')
  })
})

it('gets the context of the server, and writes at most 200 lines', async () => {
  const context = makeTestContext({ initParams: { greeting: 'Hi' } })
  const chatty = inServer(
    activity({
      ...base,
      async run(_, { initParams, log, signal, progress }: ServerContext) {
        for (let line = 0; line < 300; line++) log(`${initParams.greeting} ${line}`)
        progress(0.5)
        return { sent: !signal.aborted }
      },
    }),
    'mail.mjs',
  )
  expect(await runActivity(chatty, { to: 'a' }, context)).toEqual({ sent: true })
  expect(context.warnings.length).toBe(200)
})
