import { stripVTControlCharacters } from 'node:util'
import { expect, it } from 'vitest'
import { loadSettings } from '../lib/config.ts'
import type { Server } from '../main.ts'
import { startupText } from './startup-text.ts'

it('says where the gateway is, which keys it lends, and where models are asked', () => {
  const settings = loadSettings({ OPENAI_BASE_URL: 'http://me:unmistakable-password@localhost:11434/v1' })
  const server: Partial<Server> = { url: 'http://127.0.0.1:7070', dataDir: '/data', trialKeys: ['GEMINI_API_KEY'] }
  const text = stripVTControlCharacters(startupText({ settings, server: server as Server, seconds: 1 }))
  expect(text).toMatch(/Gateway +http:\/\/127\.0\.0\.1:7070\/v1 for OpenAI clients, http:\/\/127\.0\.0\.1:7070 for/)
  expect(text).toMatch(/Models +OPENAI_BASE_URL at localhost:11434\n/)
  expect(text).toMatch(/Trials +lend GEMINI_API_KEY\n/)
  expect(text).not.toContain('unmistakable-password')
})
