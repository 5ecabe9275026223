import { expect, it } from 'vitest'
import { startFakeReplicate } from '../../fakes/replicate.ts'
import { startTestServer } from '../../server.ts'

it('a server that stops cancels the predictions that it waited for', async () => {
  const replicate = await startFakeReplicate()
  replicate.predicts({ polls: 1000 })
  const jetty = await startTestServer({ env: { REPLICATE_BASE_URL: replicate.url, JETTY_DRAIN_SECONDS: '0' } })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: { REPLICATE_API_TOKEN: 'r8_unmistakable_drain_5b18' },
  })
  const paint = { activity: 'replicate_text2image', prompt: 'a cat' }
  await jetty.start(await jetty.task({ step_configs: { paint }, steps: ['paint'] }))
  await expect.poll(() => replicate.asked.some(({ method }) => method === 'GET')).toBe(true)
  await jetty.close()
  await expect.poll(() => replicate.cancelled.length).toBe(1)
  await replicate.close()
})
