/** Names of environment variables. */
export const variableNamePattern = /^[A-Za-z_][A-Za-z0-9_]*$/
export const maxVariableNameLength = 128
