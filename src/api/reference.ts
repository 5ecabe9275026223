import { openApiDocument } from '../http/reference/openapi.ts'
import { welcomePage } from '../http/reference/welcome-page.ts'
import type { Reply } from '../http/reply.ts'
import { about } from './about.ts'
import { contract } from './contract.ts'

/** The OpenAPI document of the whole API, generated on first use, and the start page of a server without web pages. */
export const makeReference = (info: { version: string; url?: string }): { openApi(): string; welcomePage(): Reply } => {
  const named = { ...about, ...info }
  let text: string | undefined
  return {
    openApi: () => {
      text ??= JSON.stringify(openApiDocument(contract, named))
      return text
    },
    welcomePage: () => welcomePage(info.version),
  }
}
