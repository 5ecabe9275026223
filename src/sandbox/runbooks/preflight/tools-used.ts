/** Programs that a runbook's text uses. */
interface ToolsUsed {
  /** Whether it mentions or runs the program; true for programs without known signs. */
  has(tool: string): boolean
  /** The `12` of "Python 3.12"; the lowest of several. Undefined when no version is named. */
  pythonMinor: number | undefined
}

/** Signs of a program in a text: a command, code, or a table cell. */
const signs: Readonly<Record<string, RegExp>> = {
  uv: /\buv\s{1,9}(run|pip|venv|sync|tool|add|init|python|lock|export|build)\b|\buvx\s|`uv`|\|\s{0,9}uv\s{0,9}\|/,
  node: /\b(node|npm|npx|pnpm|yarn)\s\S|`(node|npm|npx)`|\|\s{0,9}(node(\.js)?|npm)\s{0,9}\|/i,
  soffice: /\b(soffice|libreoffice|unoconv)\b/i,
}

const pythonVersion = /\bpython[\s-]{0,3}(?:version\s{0,3})?[>=~^"≥\s]{0,6}3\.(\d{1,2})\b/gi

export const toolsUsed = (text: string): ToolsUsed => {
  const minors = [...text.matchAll(pythonVersion)].map(([, minor]) => Number(minor))
  return {
    has: (tool) => signs[tool]?.test(text) ?? true,
    pythonMinor: minors.length > 0 ? Math.min(...minors) : undefined,
  }
}
