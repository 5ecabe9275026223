import { docsPage } from '../http/reference/docs-page.ts'
import { openApiDocument } from '../http/reference/openapi.ts'
import { welcomePage } from '../http/reference/welcome-page.ts'
import type { Reply } from '../http/reply.ts'
import { contract } from './contract.ts'

/** The two API descriptions and their page; the descriptions are generated on first use. */
export const makeReference = (info: {
  version: string
  url?: string
}): { openApi(): string; docsPage(): Reply; welcomePage(): Reply } => {
  const named = { title: 'Jetty', ...info }
  let text: string | undefined
  let page: Reply | undefined
  return {
    openApi: () => {
      text ??= JSON.stringify(openApiDocument(contract, named))
      return text
    },
    welcomePage: () => welcomePage(info.version),
    docsPage: () => {
      page ??= docsPage(contract, named)
      return page
    },
  }
}
