import { docsPage } from '../http/reference/docs-page.ts'
import { openApiDocument } from '../http/reference/openapi.ts'
import type { Reply } from '../http/reply.ts'
import { contract } from './contract.ts'

/** The two descriptions of the whole API, each made when it is first asked for. */
export const makeReference = (info: { version: string; url?: string }): { openApi(): string; docsPage(): Reply } => {
  const named = { title: 'Jetty', ...info }
  let text: string | undefined
  let page: Reply | undefined
  return {
    openApi: () => {
      text ??= JSON.stringify(openApiDocument(contract, named))
      return text
    },
    docsPage: () => {
      page ??= docsPage(contract, named)
      return page
    },
  }
}
