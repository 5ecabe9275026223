/** What a runbook's text says of the programs that it uses. */
export interface ToolsUsed {
  /** Whether it names the program, or runs it; of a program that nothing is known of, yes. */
  has(tool: string): boolean
  /** The `12` of "Python 3.12"; of several the lowest. Undefined where it names no version. */
  pythonMinor: number | undefined
}

/** How texts speak of a program: by a command of it, as code, or as the cell of a table. */
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
