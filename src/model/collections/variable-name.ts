/** What a variable of an environment may be called. */
export const variableNamePattern = /^[A-Za-z_][A-Za-z0-9_]*$/
export const maxVariableNameLength = 128
